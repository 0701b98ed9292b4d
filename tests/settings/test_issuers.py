"""The tables of other issuers: what may be written there, and what would make one person of two."""

from pathlib import Path

import pytest

from valetkey import settings
from valetkey.errors import SettingsError
from valetkey.settings import Settings

FILE = Path("/srv/valetkey/valetkey.toml")

WHOLE = """
[issuers.corp]
url = "https://login.corp.example/acme"
audience = "api://valetkey"
subject_claims = ["tid", "oid"]
algorithms = ["ES256"]
skew = 10
exchange_audiences = ["api://triage"]
id_jag = true
sign_in = { client_id = "pages", scopes = ["openid"] }
introspection = { client_id = "asking" }

[issuers.partner]
url = "https://partner.example/"
"""


def _issuer(line: str, key: str = "corp") -> str:
    return f'[issuers.{key}]\nurl = "https://login.corp.example"\n{line}'


def _parsed(text: str) -> Settings:
    return settings.parse(text, FILE)


def test_every_setting_of_an_issuer_is_read() -> None:
    corp = _parsed(WHOLE).issuers["corp"]
    assert (corp.url, corp.audience) == ("https://login.corp.example/acme", "api://valetkey")
    assert (corp.subject_claims, corp.algorithms, corp.skew) == (("tid", "oid"), ("ES256",), 10)
    assert corp.id_jag
    assert corp.exchange_audiences == ("api://triage",)
    assert corp.sign_in
    assert corp.sign_in.client_id == "pages"
    assert corp.introspection
    assert corp.introspection.client_id == "asking"


def test_an_issuer_needs_no_more_than_its_url() -> None:
    partner = _parsed(WHOLE).issuers["partner"]
    assert (partner.subject_claims, partner.skew, partner.id_jag) == (("sub",), 30, False)
    assert (partner.audience, partner.sign_in, partner.introspection) == (None, None, None)


@pytest.mark.parametrize(
    "claim", ["email", "Email", "UPN", "upn", "preferred_username", "PREFERRED_USERNAME"]
)
def test_what_is_given_to_others_later_names_no_person(claim: str) -> None:
    for claims in (f'["{claim}"]', f'["sub", "{claim}"]'):
        with pytest.raises(SettingsError, match="names no person for good"):
            _parsed(_issuer(f"subject_claims = {claims}"))


@pytest.mark.parametrize("alg", ["none", "None", "HS256", "HS512", "dir", "", "rs256", "RS1"])
def test_only_signatures_with_a_public_key_are_taken(alg: str) -> None:
    with pytest.raises(SettingsError, match=r"issuers\.corp\.algorithms"):
        _parsed(_issuer(f'algorithms = ["{alg}"]'))


@pytest.mark.parametrize("key", ["local", "local-operator", "Corp", "a/b", "", "x" * 64])
def test_some_names_are_no_issuers(key: str) -> None:
    with pytest.raises(SettingsError, match="issuers"):
        _parsed(_issuer("", f'"{key}"'))


@pytest.mark.parametrize(
    "url",
    [
        "http://login.corp.example",
        "http://127.0.0.1:4101",
        "https://127.0.0.1@corp.example",
        "https://corp.example?x=1",
        "https://corp.example#x",
        "https://Corp.example",
        "https://corp.example:443",
        "https://corp.example/../x",
        "https://corp.example/.well-known",
        "https://corp.example//x",
        "https://",
        "file:///etc/passwd",
        "corp.example",
        "",
    ],
)
def test_an_issuers_url_is_https_and_nothing_more(url: str) -> None:
    with pytest.raises(SettingsError, match=r"issuers\.corp\.url"):
        _parsed(f'[issuers.corp]\nurl = "{url}"')


@pytest.mark.parametrize("slash", ["", "/"])
def test_two_issuers_with_one_url_are_refused(slash: str) -> None:
    with pytest.raises(SettingsError, match="the same `url`"):
        _parsed(f'{_issuer("")}\n[issuers.twin]\nurl = "https://login.corp.example{slash}"')


def test_only_one_issuer_can_be_asked_about_a_token_that_names_none() -> None:
    asked = 'introspection = { client_id = "us" }'
    with pytest.raises(SettingsError, match="more than one has `introspection`"):
        _parsed(f'{_issuer(asked)}\n[issuers.other]\nurl = "https://other.example"\n{asked}')


@pytest.mark.parametrize(
    "line",
    [
        "skew = 121",
        "skew = -1",
        "subject_claims = []",
        'subject_claims = ["a b"]',
        'subject_claims = ["sub", "sub"]',
        "algorithms = []",
        "sign_in = {}",
        'sign_in = "x"',
        'sign_in = { client_id = "us", scopes = ["profile"] }',
        'introspection = { client_id = "" }',
        'secret = "canary"',
    ],
)
def test_what_cannot_be_is_refused(line: str) -> None:
    with pytest.raises(SettingsError) as refused:
        _parsed(_issuer(line))
    assert "canary" not in str(refused.value)
