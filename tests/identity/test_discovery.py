"""What an issuer publishes is believed about itself alone, and fetched from nowhere but the open internet."""

import pytest

from tests.identity.conftest import ANA, MCP, Trusting
from valetkey.errors import IssuerFailed, SettingsError, Unauthenticated
from valetkey.identity.issuers import Issuers
from valetkey.settings import IssuerSettings


async def test_metadata_is_found_where_openid_connect_has_it(trusting: Trusting) -> None:
    found = await trusting.trust.discovery.metadata(trusting.corp)
    assert found.found_at == "https://corp.example/acme/.well-known/openid-configuration"
    assert found.token == "https://corp.example/acme/token"
    assert found.sends_iss


async def test_or_where_oauth_has_it(trusting: Trusting) -> None:
    trusting.sandbox.corp.provider.faults.set("api", "status", 1, status=404)
    found = await trusting.trust.discovery.metadata(trusting.corp)
    assert found.found_at == "https://corp.example/.well-known/oauth-authorization-server/acme"


@pytest.mark.parametrize(
    "twist",
    [
        "metadata_of_another",
        "metadata_with_slash",
        "keys_over_http",
        "keys_in_a_file",
        "keys_at_an_address",
        "tokens_over_http",
    ],
)
async def test_metadata_of_another_or_that_leads_elsewhere_is_refused(trusting: Trusting, twist: str) -> None:
    """O16."""
    trusting.sandbox.corp.twist(twist)
    with pytest.raises(IssuerFailed):
        await trusting.trust.discovery.metadata(trusting.corp)
    with pytest.raises(Unauthenticated):
        await trusting.identity.of_token(trusting.sandbox.corp.access_token(ANA, MCP))
    assert trusting.sandbox.corp.books.asked["jwks"] == 0


async def test_keys_on_this_machine_are_not_fetched(trusting: Trusting) -> None:
    """A name of this machine is a name like any other until it resolves: then the address is refused."""
    trusting.sandbox.corp.twist("keys_on_this_machine")
    with pytest.raises(IssuerFailed, match="not permitted"):
        await trusting.trust.discovery.keys(trusting.corp)


@pytest.mark.parametrize("fault", ["redirect", "bomb", "oversized", "truncated", "drop", "status"])
async def test_a_hostile_answer_is_an_issuer_that_fails(trusting: Trusting, fault: str) -> None:
    trusting.sandbox.corp.provider.faults.set("api", fault)
    with pytest.raises(IssuerFailed):
        await trusting.trust.discovery.metadata(trusting.corp)


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        "text",
        {"keys": None},
        {"keys": []},
        {"keys": [{"kty": "oct", "k": "AAAA"}]},
        {"keys": [{"kty": "EC"}, {"kty": "RSA", "n": "AQAB", "e": "AQAB"}, 7]},
        {"keys": [{}] * 65},
    ],
)
async def test_what_holds_no_key_for_signatures_is_refused(trusting: Trusting, body: object) -> None:
    await trusting.trust.discovery.metadata(trusting.corp)
    trusting.sandbox.corp.provider.faults.set("api", "status", status=200, body=body)
    with pytest.raises(IssuerFailed):
        await trusting.trust.discovery.keys(trusting.corp)


async def test_keys_that_we_cannot_use_are_passed_over(trusting: Trusting) -> None:
    strange = [{"kty": "AKP", "alg": "ML-DSA-65", "pub": "AAAA"}, {"kty": "EC", "crv": "P-999"}]
    jwks = {"keys": [*strange, *trusting.sandbox.corp.keys.jwks()["keys"]]}
    await trusting.trust.discovery.metadata(trusting.corp)
    trusting.sandbox.corp.provider.faults.set("api", "status", status=200, body=jwks)
    assert len((await trusting.trust.discovery.keys(trusting.corp)).keys) == 1


def test_our_own_url_is_no_other_issuers() -> None:
    for url in ("https://valetkey.example.com", "https://valetkey.example.com/"):
        settings = {"corp": IssuerSettings(url=url)}
        with pytest.raises(SettingsError, match="this server's own"):
            Issuers(settings, "https://valetkey.example.com", "https://valetkey.example.com/mcp")
