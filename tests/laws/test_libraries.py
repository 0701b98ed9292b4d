"""Which library may be imported where, and why there."""

import sys
import tomllib
from fnmatch import fnmatch

import pytest

from tests.laws.source import ROOT, SRC, Module, product

LIBRARIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "aiohttp": ("the one way out", ("egress/*",)),
    "aiosmtplib": ("mail goes out through the one way out", ("egress/*",)),
    "aiosqlite": ("SQL is written against the Store protocol; one file knows SQLite", ("store/sqlite.py",)),
    "anyio": ("task groups, time limits and locks are how anything here waits", ("*",)),
    "asyncpg": ("PostgreSQL, for many machines: an extra", ("store/postgres.py",)),
    "authlib": ("the OAuth client's requests; what needs a store is ours", ("connections/*",)),
    "boto3": ("a root key in AWS KMS: an extra", ("vault/sources/aws_kms.py",)),
    "botocore": ("boto3's settings and errors", ("vault/sources/aws_kms.py",)),
    "cryptography": (
        "keys and ciphers in the vault; password hashes beside the people; the sandbox signs ID tokens",
        ("vault/*", "people/*", "sandbox/*"),
    ),
    "httpx2": (
        "the demo plays a person's browser, which is not us; what we send ourselves goes through egress",
        ("demo/*",),
    ),
    "hvac": ("a root key in Vault or OpenBao Transit: an extra", ("vault/sources/transit.py",)),
    "jinja2": (
        "pages are rendered in one place, with escaping on; the sandbox has its own",
        ("pages/*", "sandbox/*"),
    ),
    "jmespath": ("the shaping language of manifests, behind `manifest.shape.Expression`", ("manifest/*",)),
    "joserfc": (
        "tokens: signed by the authorization server and people, verified by identity and connections",
        ("authserver/*", "people/*", "identity/*", "connections/*", "sandbox/*"),
    ),
    "jsonschema_rs": ("schemas are held to the metaschema, at each start", ("manifest/outputs.py",)),
    "jsonschema": (
        "a tool's arguments and results are checked against its schema",
        ("manifest/*", "calls/*"),
    ),
    "keyring": ("a root key in the desktop's keyring: an extra", ("vault/sources/os_keyring.py",)),
    "mcp": (
        "the protocol stays at the edges: our server, its authentication, upstreams, the demo's client",
        ("server/*", "identity/*", "calls/upstream.py", "demo/*", "sandbox/*"),
    ),
    "mcp_types": ("the protocol's messages, as for `mcp`", ("server/*", "demo/*")),
    "platformdirs": ("where the home is by default", ("settings/*",)),
    "prometheus_client": ("metrics, in the form Prometheus reads", ("serving/*",)),
    "pydantic": (
        "what comes from outside as text becomes a checked value at once",
        ("settings/*", "manifest/*", "api/*"),
    ),
    "pythonjsonlogger": ("log lines as JSON", ("serving/logs.py",)),
    "pydantic_core": ("results as JSON, in Rust", ("manifest/*", "server/handlers.py", "server/direct.py")),
    "requests": ("hvac's errors", ("vault/sources/transit.py",)),
    "rich": ("text for a person at a terminal", ("cli/*", "demo/*")),
    "starlette": (
        "HTTP in",
        ("server/*", "authserver/*", "web/*", "api/*", "pages/*", "serving/*", "sandbox/*"),
    ),
    "typer": ("the command line", ("cli/*",)),
    "uvicorn": (
        "a server is started in one place; the sandbox starts its own",
        ("serving/running.py", "serving/patient.py", "sandbox/*"),
    ),
    "webauthn": ("passkeys are made and checked in one place", ("people/passkeys.py",)),
    "yarl": ("aiohttp's URLs, so that it sends the bytes we checked", ("egress/*",)),
}

PART_OF = {
    "botocore": "boto3",
    "mcp_types": "mcp",
    "pydantic_core": "pydantic",
    "requests": "hvac",
    "yarl": "aiohttp",
}

IMPORTED_AS = {"pythonjsonlogger": "python-json-logger"}
"""Libraries whose packages have other names than what is imported of them."""

NEVER_IMPORTED = {
    "httptools": "uvicorn's faster parser, used when it is there",
    "python-multipart": "Starlette's parser of posted forms",
    "uvloop": "uvicorn's faster event loop, used when it is there",
}


def libraries(module: Module) -> list[tuple[int, str]]:
    """The third-party packages that a module imports."""
    tops = ((line, name.split(".")[0]) for line, name in module.imports())
    return [(line, top) for line, top in tops if top not in sys.stdlib_module_names | {"valetkey", ""}]


def allowed(module: Module, places: tuple[str, ...]) -> bool:
    """Whether a module lies in one of the places; a room is the same place as a file or a folder."""
    path = module.path.relative_to(SRC).as_posix()
    return any(fnmatch(path, place) or path == place.replace("/*", ".py") for place in places)


def test_a_library_is_imported_only_where_the_table_says() -> None:
    wrong = [
        _complaint(module, line, name)
        for module in product()
        for line, name in libraries(module)
        if not _is_allowed(module, name)
    ]
    assert not wrong, "\n".join(wrong)


def _is_allowed(module: Module, name: str) -> bool:
    return name in LIBRARIES and allowed(module, LIBRARIES[name][1])


def _complaint(module: Module, line: int, name: str) -> str:
    if name not in LIBRARIES:
        return f"{module.name}:{line}: `{name}` has no row in the table of {__file__}"
    reason, places = LIBRARIES[name]
    return f"{module.name}:{line}: `{name}` belongs in {', '.join(places)} alone ({reason})"


@pytest.mark.skipif(not any(module.room == "cli" for module in product()), reason="no command line yet")
def test_every_row_of_the_table_is_used() -> None:
    imported = {name for module in product() for _, name in libraries(module)}
    assert set(LIBRARIES) - imported == set(), (
        "take what nobody imports out of the table and of pyproject.toml"
    )


def test_every_declared_dependency_has_a_row() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [
        *project["dependencies"],
        *(line for extra in project["optional-dependencies"].values() for line in extra),
    ]
    declared = {line.split(">")[0].split("=")[0].strip() for line in lines}
    imported = {IMPORTED_AS.get(name, name.replace("_", "-")) for name in set(LIBRARIES) - set(PART_OF)}
    assert declared == imported | set(NEVER_IMPORTED)
