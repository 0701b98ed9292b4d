"""What an operator may write under `[hosts]` and `[egress]`, and what each of them does to a route."""

from pathlib import Path

import pytest

from valetkey.egress import Egress, Rules
from valetkey.egress.routes import Routes
from valetkey.errors import EgressRefused, SettingsError

API = "https://api.example"


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:4101",
        "https://127.0.0.1:4101",
        "http://localhost:4101",
        "http://[::1]:4101",
        "http://127.9.9.9",
    ],
)
def test_an_override_to_loopback_is_taken(target: str) -> None:
    egress = Egress(Rules(hosts={API: target}))
    assert egress.reroute(f"{API}/authorize?state=x%20y") == f"{target}/authorize?state=x%20y"
    assert egress.overridden(frozenset({API, "https://other.example"}))


@pytest.mark.parametrize(
    "target",
    [
        *(
            "http://10.0.0.1:4101",
            "http://0.0.0.0:4101",
            "http://169.254.169.254",
            "http://[::]:1",
            "http://[fd00::1]",
        ),
        *(
            "https://evil.example",
            "http://localhost.evil.example",
            "http://127.0.0.1.evil.example",
            "http://127.1",
        ),
        *(
            "http://2130706433",
            "http://[::ffff:127.0.0.1]",
            "http://127.0.0.1@evil.example",
            "127.0.0.1:4101",
        ),
        *(
            "http://127.0.0.1:4101/",
            "http://127.0.0.1:4101/path",
            "ftp://127.0.0.1",
            "",
            "http://",
            "http://LOCALHOST",
        ),
    ],
)
def test_an_override_to_anywhere_else_stops_the_start(target: str) -> None:
    with pytest.raises(SettingsError, match="hosts"):
        Egress(Rules(hosts={API: target}))


@pytest.mark.parametrize(
    "key",
    [
        "http://api.example",
        "https://api.example/",
        "https://API.example",
        "https://10.0.0.1",
        "api.example",
        "",
    ],
)
def test_a_key_that_is_not_an_origin_stops_the_start(key: str) -> None:
    with pytest.raises(SettingsError, match="not an origin"):
        Egress(Rules(hosts={key: "http://127.0.0.1:1"}))
    with pytest.raises(SettingsError, match="not an origin"):
        Egress(Rules(allow={key: "10.0.0.0/8"}))


@pytest.mark.parametrize("network", ["10.1.2.3/24", "10.0.0.0/33", "intranet", "", "10.0.0.0-10.0.0.9"])
def test_an_allowed_network_that_is_none_stops_the_start(network: str) -> None:
    with pytest.raises(SettingsError, match="not a network"):
        Egress(Rules(allow={API: network}))


@pytest.mark.parametrize(
    "proxy", ["proxy.example:3128", "socks5://proxy.example", "http://proxy.example/path", ""]
)
def test_a_proxy_that_is_no_http_url_stops_the_start_without_its_password(proxy: str) -> None:
    with pytest.raises(SettingsError, match="proxy"):
        Egress(Rules(proxy=proxy))


@pytest.mark.parametrize("text", [None, "", "not a certificate"])
async def test_a_bundle_that_cannot_be_read_stops_the_start(tmp_path: Path, text: str | None) -> None:
    bundle = tmp_path / "ca.pem"
    if text is not None:
        bundle.write_text(text)
    with pytest.raises(SettingsError, match="ca_bundle"):
        async with Egress(Rules(ca_bundle=bundle)):
            pass


def test_a_browser_goes_where_the_url_says_unless_its_origin_is_overridden() -> None:
    egress = Egress(Rules(hosts={API: "http://127.0.0.1:4101"}))
    assert egress.reroute("https://other.example/a?b") == "https://other.example/a?b"
    assert egress.reroute(API) == "http://127.0.0.1:4101/"
    assert not egress.overridden(frozenset({"https://other.example"}))


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://api.example@evil.example/", "http://api.example/"]
)
def test_a_browser_is_not_sent_to_a_url_that_we_would_not_call(url: str) -> None:
    with pytest.raises(EgressRefused):
        Egress(Rules()).reroute(url)


def test_the_proxy_carries_everything_but_loopback_and_allowed_networks() -> None:
    rules = Rules(
        {API: "http://127.0.0.1:1"},
        {"https://git.corp.example": "10.1.2.0/24"},
        "http://u:p@proxy.example:3128",
    )
    routes = Routes(rules)
    assert routes.to(API).proxy is None
    assert routes.to("https://git.corp.example").proxy is None
    assert routes.to("https://other.example").proxy == rules.proxy
    assert "u:p" not in repr(rules) + repr(routes.to("https://other.example"))
