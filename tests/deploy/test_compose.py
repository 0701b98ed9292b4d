"""compose.yaml: that each part is confined, that its parts fit each other, and that it holds no secret."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml  # type: ignore[import-untyped]  # it has no types of its own

from tests.deploy.dockerfile import last_stage
from tests.laws.source import ROOT
from valetkey.assemble import DEFAULT_PORT
from valetkey.serving.running import _GRACE_SECONDS
from valetkey.settings import FILE, Settings, parse

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if "build" in service]


def settings() -> Settings:
    return parse((ROOT / "deploy" / FILE).read_text(), Path("/home-of-nobody") / FILE)


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service.get("cap_add", []) in ([], ["NET_BIND_SERVICE"])
    assert not {"privileged", "pid", "ipc", "network_mode", "devices"} & service.keys()
    assert not [volume for volume in service["volumes"] if "docker.sock" in volume]


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_names_what_there_is(name: str) -> None:
    service = SERVICES[name]
    assert set(service["networks"]) <= COMPOSE["networks"].keys()
    assert set(service.get("secrets", ())) <= COMPOSE["secrets"].keys()
    for volume in service["volumes"]:
        source = volume.split(":")[0]
        assert (ROOT / source).is_file() if source.startswith(".") else source in COMPOSE["volumes"], volume


def test_two_servers_are_the_same_but_for_when_they_run() -> None:
    one, two = (SERVICES[name] for name in OURS)
    assert {**one, "profiles": ["two"]} == two


@pytest.mark.parametrize("name", OURS)
def test_a_server_waits_for_its_database_and_is_given_time_to_stop(name: str) -> None:
    service = SERVICES[name]
    assert service["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert "healthcheck" in SERVICES["db"]
    assert int(service["stop_grace_period"].removesuffix("s")) >= _GRACE_SECONDS + 10
    assert service["init"] is True, "a process with the number 1 is deaf until it has started"


@pytest.mark.parametrize("name", OURS)
def test_a_server_s_home_is_a_volume_and_nothing_else_is_written(name: str) -> None:
    home = last_stage()["VOLUME"].text
    assert SERVICES[name]["volumes"] == [f"home:{home}"]
    assert [place.split(":")[0] for place in SERVICES[name]["tmpfs"]] == ["/tmp"]


def test_caddy_is_the_only_door() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["caddy"]
    assert COMPOSE["networks"]["back"]["internal"] is True
    assert SERVICES["db"]["networks"] == ["back"]
    assert SERVICES["caddy"]["environment"]["VALETKEY_AT"].split() == [
        f"{name}:{DEFAULT_PORT}" for name in OURS
    ]


def test_the_settings_fit_the_services() -> None:
    found, database = settings(), SERVICES["db"]["environment"]
    store = urlsplit(found.store or "")
    assert (store.hostname, store.username, store.path) == (
        "db",
        database["POSTGRES_USER"],
        f"/{database['POSTGRES_DB']}",
    )
    assert str(found.store_password_file) == database["POSTGRES_PASSWORD_FILE"] == "/run/secrets/db_password"
    (network,) = COMPOSE["networks"]["front"]["ipam"]["config"]
    assert found.trusted_proxies == (network["subnet"],)


def test_no_secret_is_in_it() -> None:
    for name, service in SERVICES.items():
        for variable in service.get("environment", ()):
            secret = re.search("PASSWORD|SECRET|TOKEN|KEY$", variable) and not variable.endswith("_FILE")
            assert not secret, f"{name}: {variable}"
    assert all(set(secret) == {"file"} for secret in COMPOSE["secrets"].values())
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert {"secrets/", ".env"} <= set(ignored)
