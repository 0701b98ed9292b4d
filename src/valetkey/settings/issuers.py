"""`[issuers.NAME]`: who, besides us, may vouch for people and issue access tokens for this server."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from valetkey.settings.values import Name, Table

RESERVED = frozenset({"local", "local-operator"})
"""Issuer keys that are ours: of our own people, and of who sits at the command line."""

_REASSIGNED = frozenset({"email", "upn", "preferred_username"})
_URL = re.compile(r"https://[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?(?::[1-9]\d{0,4})?(?:/[A-Za-z0-9._~-]+)*/?")
_CLAIM = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")

Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "Ed25519"
]
"""Signatures with a public key alone: a shared key would let whoever verifies also sign."""


def _issuer_url(text: str) -> str:
    if not _URL.fullmatch(text) or "/." in text or text.endswith(":443"):
        raise ValueError(
            "has to be the issuer's `iss` to the letter, an https URL such as `https://login.example.com/acme`;"
            " to try things out on this machine, send it there with [hosts]"
        )
    return text


def _subject_claim(text: str) -> str:
    if not _CLAIM.fullmatch(text):
        raise ValueError("has to be the name of a claim, such as `sub`")
    if text.lower() in _REASSIGNED:
        raise ValueError(
            "names no person for good: addresses and login names are given to others later."
            " Take `sub`, or what the issuer says never changes"
        )
    return text


def _each_once(claims: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(claims)) < len(claims):
        raise ValueError("names a claim twice")
    return claims


def _with_openid(scopes: tuple[str, ...]) -> tuple[str, ...]:
    if "openid" not in scopes:
        raise ValueError("has to hold `openid`: without it there is no ID token to learn who came")
    return scopes


def _issuer_key(text: str) -> str:
    if text in RESERVED:
        raise ValueError("is the key of our own people; give this issuer another name")
    return text


IssuerKey = Annotated[Name, AfterValidator(_issuer_key)]
IssuerUrl = Annotated[str, AfterValidator(_issuer_url)]
SubjectClaims = Annotated[
    tuple[Annotated[str, AfterValidator(_subject_claim)], ...], AfterValidator(_each_once)
]
Text = Annotated[str, Field(min_length=1, max_length=512)]


class IntrospectionSettings(Table):
    """`[issuers.NAME.introspection]`: as which client we ask about its tokens (RFC 7662)."""

    client_id: Text


class SignInSettings(Table):
    """`[issuers.NAME.sign_in]`: as which client we send people there to sign in."""

    client_id: Text
    scopes: Annotated[tuple[Text, ...], AfterValidator(_with_openid)] = ("openid", "profile")


class IssuerSettings(Table):
    """`[issuers.NAME]`: an issuer whose word counts here, and for what."""

    url: IssuerUrl
    audience: Text | None = None
    subject_claims: SubjectClaims = Field(("sub",), min_length=1, max_length=4)
    algorithms: tuple[Algorithm, ...] = Field(("RS256", "PS256", "ES256", "Ed25519"), min_length=1)
    skew: int = Field(30, ge=0, le=120)
    exchange_audiences: tuple[Text, ...] = ()
    id_jag: bool = False
    introspection: IntrospectionSettings | None = None
    sign_in: SignInSettings | None = None


def refuse_twins(issuers: Mapping[str, IssuerSettings]) -> Mapping[str, IssuerSettings]:
    """Two keys for one issuer would make two people of one; two to ask about a token would leak it to one."""
    urls = [one.url.rstrip("/") for one in issuers.values()]
    if len(set(urls)) < len(urls):
        raise ValueError("two of them have the same `url`; one issuer has one table")
    if sum(one.introspection is not None for one in issuers.values()) > 1:
        raise ValueError("more than one has `introspection`, and a token does not say whom to ask about it")
    return issuers
