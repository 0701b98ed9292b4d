# Every command of this repository. `make` alone lists them.
#
# Needed: make, and Python 3.11 or newer with venv (on Debian: python3 and python3-venv).
# Another Python than python3: make PYTHON=python3.13 test

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SOAK   ?= 1200

# Half as many again as there are cores: a test often waits for a process, a browser or a deadline.
WORKERS := $(shell echo $$(( ($$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2) * 3 + 1) / 2 )))

.PHONY: help demo test test-all check-tests lint format bench soak truth schema clients lock wheel clean

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do \
	  printf '  make %-9s %s\n' "$$name" "$$text"; done

demo: $(READY) ## Play one delegated call offline, to watch; OPEN=1 to approve it yourself, KEEP=1 to attach to it
	@$(BIN)/valetkey demo $(if $(KEEP),--keep) $(if $(OPEN),--open)

test: lint check-tests ## Lint, types and every test

test-all: ## The tests on each Python from 3.11 that is installed here
	@pythons=$$(scripts/pythons); test -n "$$pythons" || { echo "There is no Python 3.11 or newer here."; exit 1; }; \
	for python in $$pythons; do \
	  minor=$$($$python -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  echo "== Python $$minor ($$python)"; \
	  $(MAKE) --no-print-directory check-tests PYTHON=$$python VENV=.venv-$$minor || exit 1; \
	done

check-tests: $(READY)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

lint: $(READY) ## ruff and mypy, without the tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy $(wildcard src tests manifests examples benchmarks)

format: $(READY) ## Let ruff lay out the code and fix what it can
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

bench: $(READY) ## What one call costs, beside the floor it stands on
	$(BIN)/python -m benchmarks

soak: $(READY) ## The tests of what must survive, at full scale: hours; then a server under load for SOAK=1200 seconds
	VALETKEY_SCALE=full $(BIN)/python -m pytest -m reliability -n $(WORKERS) --dist worksteal --durations 20
	$(BIN)/python -m benchmarks.soak --seconds $(SOAK)
	$(BIN)/python -m benchmarks.held --seconds $$(($(SOAK) / 2))

truth: $(READY) ## A hundred thousand calls by everybody on four servers: was each answer the right one?
	$(BIN)/python -m benchmarks.truth

schema: $(READY) ## Write manifests/manifest.schema.json anew from the models
	$(BIN)/python -m valetkey.manifest > $(VENV)/schema.json
	mv $(VENV)/schema.json manifests/manifest.schema.json

clients: $(READY) ## Write docs/reference/clients.md anew from its data
	$(BIN)/python -m valetkey.clients > $(VENV)/clients.md
	mv $(VENV)/clients.md docs/reference/clients.md

LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
  --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

lock: ## Write requirements.lock, and the image's parts of it, anew from pyproject.toml (needs uv)
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv"; exit 1; }
	$(LOCK) --upgrade --group dev --output-file requirements.lock pyproject.toml
	sed -n 's/ \\$$//; /==/p' requirements.lock > deploy/pins
	$(LOCK) --constraints deploy/pins --group build --output-file deploy/build.lock
	$(LOCK) --constraints deploy/pins --extra aws --extra openbao --extra postgres \
	  --output-file deploy/requirements.lock pyproject.toml
	rm deploy/pins

wheel: $(READY) ## Build the wheel into dist/
	$(BIN)/python -m hatchling build -t wheel

clean: ## Remove everything that these commands made
	rm -rf .venv .venv-3.* dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): requirements.lock pyproject.toml scripts/environment
	@scripts/environment $(PYTHON) $(VENV)
	@touch $@
