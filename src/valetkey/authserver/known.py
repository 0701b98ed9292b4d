"""The metadata documents that ship with the package, for when they cannot be fetched."""

import tomllib
from collections.abc import Mapping
from importlib.resources import files

from valetkey.people import Agent, Kind


def known_clients() -> Mapping[str, Agent]:
    """Return the clients in wide use whose documents ship with us, by their ids."""
    text = (files("valetkey.authserver") / "known_clients.toml").read_text(encoding="utf-8")
    return {url: _agent(url, document) for url, document in tomllib.loads(text).items()}


def _agent(url: str, document: Mapping[str, object]) -> Agent:
    kept = {name: document[name] for name in ("redirect_uris", "token_endpoint_auth_method")}
    return Agent(url, str(document["client_name"]), None, Kind.DOCUMENT, kept)
