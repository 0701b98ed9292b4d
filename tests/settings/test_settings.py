"""The settings file: made safe, read once, and every mistake in it answered with what to do."""

import os
import re
import stat
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from valetkey import settings
from valetkey.errors import SettingsError

FILE = Path("/srv/valetkey/valetkey.toml")

WHOLE = """
public_url = "https://valetkey.example.com"
allowed_hosts = ["valetkey.internal:8080", "[::1]:8080"]
manifests = ["connectors", "/srv/more"]
allow_hooks = ["connectors/acme"]

[hosts]
"https://gmail.googleapis.com" = "http://127.0.0.1:4101"
"https://slack.com" = "http://localhost:4102"

[egress]
proxy = "http://proxy.internal:3128"
ca_bundle = "ours.pem"
[egress.allow]
"https://gitlab.corp.example" = "10.1.2.0/24"
"""


def test_every_setting_is_read() -> None:
    found = settings.parse(WHOLE, FILE)
    home = FILE.parent
    assert found.public_url == "https://valetkey.example.com"
    assert found.allowed_hosts == ("valetkey.internal:8080", "[::1]:8080")
    assert found.manifests == (home / "connectors", Path("/srv/more"))
    assert found.allow_hooks == (home / "connectors/acme",)
    assert found.hosts["https://slack.com"] == "http://localhost:4102"
    assert found.egress.ca_bundle == home / "ours.pem"
    assert found.egress.allow == {"https://gitlab.corp.example": "10.1.2.0/24"}
    assert (found.key_file, found.store_file) == (home / "key", home / "store.db")


def test_an_empty_file_is_a_local_server() -> None:
    found = settings.parse("", FILE)
    assert (found.public_url, found.hosts, found.egress.allow) == (None, {}, {})


def test_the_file_that_is_made_parses_and_sets_nothing(tmp_path: Path) -> None:
    assert settings.load(tmp_path / "new" / "home") == settings.parse("", tmp_path / "new/home/valetkey.toml")


def test_the_file_that_is_made_is_valid_when_its_examples_are_switched_on() -> None:
    lines = settings.TEMPLATE.splitlines()
    switched_on = [re.sub(r"^# (?=\[|\"|\w+ = )", "", line) for line in lines]
    text = "\n".join(switched_on)
    assert len(tomllib.loads(text)) == len(settings.Settings.model_fields) - 1
    assert settings.parse(text, FILE).egress.proxy


def test_the_home_and_the_file_are_the_owners_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings.load(home)
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (home, home / "valetkey.toml")]
    assert modes == [0o700, 0o600]


def test_a_file_that_is_there_is_never_written(tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings.load(home)
    (home / "valetkey.toml").write_text('public_url = "https://mine.example"')
    assert settings.load(home).public_url == "https://mine.example"


MISTAKES = {
    "not TOML": ("public_url = ", "this is not TOML: Invalid value (at end of document)"),
    "twice": ('proxy = "a"\nproxy = "b"', "this is not TOML: Cannot overwrite a value"),
    "unknown key": ('public_ur = "x"', "there is no setting `public_ur`; did you mean `public_url`?"),
    "unknown key in a table": ("[egress]\nalow = {}", "no setting `egress.alow`; did you mean `allow`?"),
    "unknown and like nothing": ("zzz = 1", "there is no setting `zzz`"),
    "home": ('home = "/tmp"', "`home` cannot be set here"),
    "a number": ("public_url = 8080", "`public_url`: has to be text in quotes"),
    "text for a list": ('manifests = "connectors"', "`manifests`: has to be a list"),
    "a number in a list": ("manifests = [1]", "`manifests.0`: has to be a path in quotes"),
    "text for a table": ('hosts = "x"', "`hosts`: has to be a table"),
    "a list for a table": ("egress = []", "`egress`: has to be a table"),
    "http in public": ('public_url = "http://valetkey.example.com"', "`public_url`: has to be https"),
    "http on an address": (
        'public_url = "http://127.0.0.1:8917"',
        "has to be https, except on http://localhost",
    ),
    "a path": ('public_url = "https://a.example/mcp"', "has to be an origin"),
    "a slash": ('public_url = "https://a.example/"', "no slash at the end"),
    "no scheme": ('public_url = "a.example"', "has to be an origin"),
    "another scheme": ('public_url = "ftp://a.example"', "has to be an origin"),
    "a password": ('public_url = "https://me:pw@a.example"', "no name or password"),
    "capitals": ('public_url = "https://A.example"', "in lower case"),
    "the usual port": ('public_url = "https://a.example:443"', "without the port that https has by itself"),
    "no port": ('public_url = "https://a.example:"', "has to be an origin"),
    "a port in words": ('public_url = "https://a.example:web"', "has to be an origin"),
    "a line break": ('public_url = "https://a.exa\\nmple"', "has to be an origin"),
    "a space": ('public_url = "https://a example"', "has to be an origin"),
    "a host with a scheme": ('allowed_hosts = ["https://a.example"]', "`allowed_hosts.0`: has to be a name"),
    "any host": ('allowed_hosts = ["*"]', "`allowed_hosts.0`: has to be a name"),
    "no network": (
        'egress.allow = {"https://a.example" = "ten"}',
        "has to be a network such as `10.1.2.0/24`",
    ),
    "host bits": ('egress.allow = {"https://a.example" = "10.1.2.3/24"}', "has host bits set"),
    "no origin": (
        'egress.allow = {"a.example" = "10.0.0.0/8"}',
        "`egress.allow.a.example`: has to be an origin",
    ),
    "no proxy": ('egress.proxy = "proxy:3128"', "`egress.proxy`: has to be the address of a proxy"),
    "a broken proxy": ('egress.proxy = "http://["', "`egress.proxy`: has to be the address of a proxy"),
}


@pytest.mark.parametrize(("text", "answer"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_answered_with_the_file_the_key_and_what_to_do(text: str, answer: str) -> None:
    with pytest.raises(SettingsError) as caught:
        settings.parse(text, FILE)
    assert str(caught.value).startswith(f"{FILE}: ")
    assert answer in str(caught.value)


@pytest.mark.parametrize("url", ["http://localhost:8917", "http://localhost", "https://[2001:db8::1]:8443"])
def test_a_public_url_may_be_http_on_localhost_alone(url: str) -> None:
    assert settings.parse(f'public_url = "{url}"', FILE).public_url == url


def test_a_password_for_the_proxy_does_not_show() -> None:
    found = settings.parse('egress.proxy = "http://me:canary@proxy.internal:3128"', FILE)
    assert "canary" not in repr(found)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example",
        "http://10.0.0.1:80",
        "http://0.0.0.0:4101",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "http://2130706433:4101",
        "http://[::ffff:10.0.0.1]:4101",
    ],
)
def test_an_override_may_only_point_at_this_machine(elsewhere: str) -> None:
    with pytest.raises(SettingsError, match="hosts"):
        settings.parse(f'[hosts]\n"https://slack.com" = "{elsewhere}"', FILE)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.10", "::1", "[::1]"])
def test_the_names_of_this_machine(host: str) -> None:
    assert settings.is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "example.com", "localhost.", "10.0.0.1", "[::2]"])
def test_other_names_are_not_this_machine(host: str) -> None:
    assert not settings.is_loopback(host)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    settings.load(home)
    return home


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
def test_a_file_that_others_can_touch_is_refused_with_the_command_that_helps(home: Path, mode: int) -> None:
    file = home / "valetkey.toml"
    file.chmod(mode)
    with pytest.raises(SettingsError, match=f"chmod 600 {file}"):
        settings.load(home)


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o777])
def test_a_home_that_others_can_enter_is_refused_with_the_command_that_helps(home: Path, mode: int) -> None:
    home.chmod(mode)
    with pytest.raises(SettingsError, match=f"chmod 700 {home}"):
        settings.load(home)


def a_link(file: Path) -> None:
    file.rename(file.with_suffix(".real"))
    file.symlink_to(file.with_suffix(".real"))


def a_dangling_link(file: Path) -> None:
    file.unlink()
    file.symlink_to(file.with_suffix(".gone"))


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir(0o700)


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o600)


def latin_1(file: Path) -> None:
    file.write_bytes("# Größe".encode("latin-1"))


@pytest.mark.parametrize("make", [a_link, a_dangling_link, a_folder, a_pipe, latin_1])
def test_what_is_no_settings_file_is_refused(home: Path, make: Callable[[Path], None]) -> None:
    make(home / "valetkey.toml")
    with pytest.raises(SettingsError, match=r"valetkey\.toml"):
        settings.load(home)


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(SettingsError, match="home: cannot be used"):
        settings.load(tmp_path / "home")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_settings_of_another_account_are_refused(home: Path) -> None:
    os.chown(home / "valetkey.toml", 65534, -1)
    with pytest.raises(SettingsError, match="another account"):
        settings.load(home)


def test_the_environment_says_where_the_home_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VALETKEY_HOME", str(tmp_path))
    assert settings.home() == tmp_path
    monkeypatch.setenv("VALETKEY_HOME", "")
    assert settings.home().is_absolute()
    assert settings.home().name == "valetkey"


def test_the_environment_sets_nothing_else(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    before = settings.load(home)
    for name in settings.Settings.model_fields:
        for prefix in ("", "VALETKEY_", "VALETKEY_EGRESS__"):
            monkeypatch.setenv(f"{prefix}{name}".upper(), '{"https://slack.com": "http://127.0.0.1:1"}')
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "VALETKEY_EGRESS__PROXY", "VALETKEY_EGRESS_PROXY"):
        monkeypatch.setenv(name, "http://evil.example")
    assert settings.load(home) == before


def test_a_setting_below_a_table_is_told_where_it_belongs() -> None:
    text = '[hosts]\n"https://slack.com" = "http://127.0.0.1:4101"\nmanifests = ["connectors"]\n'
    with pytest.raises(SettingsError, match="`manifests` stands below"):
        settings.parse(text, FILE)
