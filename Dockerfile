# Valetkey in a container: a wheel of this folder on exactly the libraries of deploy/*.lock, for an account
# that is not root, on a file system that nothing but /var/lib/valetkey has to be written in.
# docs/howto/run-in-a-container.md says how it is run.

ARG PYTHON=3.13-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY deploy/build.lock deploy/requirements.lock deploy/
RUN python -m pip install --require-hashes --only-binary :all: -r deploy/build.lock \
 && python -m venv --without-pip /opt/valetkey \
 && python -m pip --python /opt/valetkey install --require-hashes --only-binary :all: -r deploy/requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY manifests manifests
COPY src src
# Compiled here, by content and not by date: the account that runs it may not write beside the code.
RUN python -m hatchling build -t wheel \
 && python -m pip --python /opt/valetkey install --no-index --no-deps dist/*.whl \
 && python -m pip --python /opt/valetkey check \
 && /opt/valetkey/bin/python -m compileall -q --invalidation-mode unchecked-hash /opt/valetkey/lib

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="Valetkey" \
      org.opencontainers.image.description="A self-hosted MCP server through which agents act in people's accounts" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 valetkey \
 && useradd --uid 10001 --gid valetkey --no-create-home --home-dir /var/lib/valetkey \
      --shell /usr/sbin/nologin valetkey \
 && install --directory --mode 0700 --owner valetkey --group valetkey /var/lib/valetkey
COPY --from=build /opt/valetkey /opt/valetkey
ENV PATH=/opt/valetkey/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    VALETKEY_HOME=/var/lib/valetkey
WORKDIR /var/lib/valetkey
VOLUME /var/lib/valetkey
# By number, so that whoever runs it can see that it is not root.
USER 10001:10001
EXPOSE 8917
# What is under way gets 25 seconds: whatever stops the container has to wait longer (docker stop --time 40).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "from http.client import HTTPConnection as To; to = To('127.0.0.1', 8917, timeout=4); to.request('GET', '/readyz'); exit(to.getresponse().status != 200)"]
ENTRYPOINT ["valetkey"]
CMD ["serve", "--host", "0.0.0.0"]
