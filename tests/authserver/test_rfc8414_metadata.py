"""What clients read before they come: RFC 8414, and RFC 9728's word for where to look."""

from pathlib import Path

import httpx2

from tests.authserver.front import Front
from tests.support.town import town


async def test_the_metadata_say_what_a_client_has_to_know(front: Front) -> None:
    answer = await front.http.get("/.well-known/oauth-authorization-server")
    about, url = answer.json(), front.town.url
    assert answer.headers["access-control-allow-origin"] == "*"
    assert about["issuer"] == url
    assert about["authorization_endpoint"] == f"{url}/authorize"
    assert about["token_endpoint"] == f"{url}/token"
    assert about["registration_endpoint"] == f"{url}/register"
    assert about["authorization_response_iss_parameter_supported"] is True
    assert about["client_id_metadata_document_supported"] is True
    assert about["code_challenge_methods_supported"] == ["S256"]
    assert about["response_types_supported"] == ["code"]
    assert about["scopes_supported"] == ["mcp"]
    methods = ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"]
    assert about["token_endpoint_auth_methods_supported"] == methods
    exchange = "urn:ietf:params:oauth:grant-type:token-exchange"
    assert {"authorization_code", "refresh_token", exchange} <= set(about["grant_types_supported"])
    assert "client_credentials" not in about["grant_types_supported"], (
        "it is answered, with what to do instead"
    )


async def test_every_endpoint_that_they_name_is_there(front: Front) -> None:
    about = (await front.http.get("/.well-known/oauth-authorization-server")).json()
    for name, url in about.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert (await front.http.get(url)).status_code in {200, 400, 405}, name


async def test_every_mcp_endpoint_names_its_authorization_server(front: Front) -> None:
    for path in ("/mcp", "/mcp/flat"):
        about = (await front.http.get(f"/.well-known/oauth-protected-resource{path}")).json()
        assert about["resource"] == front.town.url + path
        assert about["authorization_servers"] == [front.town.url]


async def test_a_client_without_a_token_is_told_where_to_look(front: Front) -> None:
    refused = await front.http.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert refused.status_code == 401
    metadata = f"{front.town.url}/.well-known/oauth-protected-resource/mcp"
    assert f'resource_metadata="{metadata}"' in refused.headers["www-authenticate"]


async def test_no_header_changes_what_they_say(front: Front) -> None:
    path = "/.well-known/oauth-authorization-server"
    usual = (await front.http.get(path)).json()
    forwarded = {
        "X-Forwarded-Host": "evil.example",
        "Forwarded": "host=evil.example",
        "X-Forwarded-Proto": "https",
    }
    assert (await front.http.get(path, headers=forwarded)).json() == usual


async def test_under_another_name_nothing_answers(front: Front) -> None:
    paths = ["/.well-known/oauth-authorization-server", "/authorize", "/authorize/x"]
    for host in ("evil.example", "127.0.0.1", "localhost", ""):
        for path in paths:
            assert (await front.http.get(path, headers={"Host": host})).status_code == 421, (host, path)
        for path in ("/register", "/token", "/revoke", "/introspect"):
            assert (await front.http.post(path, headers={"Host": host})).status_code == 421, (host, path)


async def test_documents_can_be_turned_off(tmp_path: Path) -> None:
    async with (
        town(tmp_path, more='[clients]\ncimd = "off"') as here,
        httpx2.AsyncClient(base_url=here.url, trust_env=False) as http,
    ):
        about = (await http.get("/.well-known/oauth-authorization-server")).json()
        assert about["client_id_metadata_document_supported"] is False
        known = "https://claude.ai/oauth/claude-code-client-metadata"
        answer = await http.get(
            "/authorize", params={"client_id": known, "redirect_uri": "http://localhost/callback"}
        )
        assert answer.status_code == 400
        assert "not known here" in answer.text
