"""How an issuer of the sandbox can go wrong, by name: in its metadata, in a callback, in an ID token."""

from collections.abc import Callable

from valetkey.model import Json

Claims = dict[str, Json]
Twist = Callable[[Claims, Claims], None]
"""Changes the header and the claims of an ID token that was about to be signed."""


def _header(**changed: Json) -> Twist:
    return lambda header, _: header.update(changed)


def _claim(**changed: Json) -> Twist:
    return lambda _, claims: claims.update(changed)


def _later(name: str, seconds: int) -> Twist:
    def moved(_: Claims, claims: Claims) -> None:
        claims[name] += seconds

    return moved


def _without(name: str) -> Twist:
    return lambda _, claims: claims.pop(name, None)


def _two_audiences(_: Claims, claims: Claims) -> None:
    claims["aud"] = [claims["aud"], "somebody-else"]


ID_TOKEN: dict[str, Twist] = {
    "alg_none": _header(alg="none"),
    "alg_hs256": _header(alg="HS256"),
    "unknown_kid": _header(kid="another"),
    "kid_traversal": _header(kid="../../../dev/null"),
    "wrong_iss": _claim(iss="https://evil.example"),
    "iss_with_slash": lambda _, claims: claims.update(iss=claims["iss"] + "/"),
    "wrong_aud": _claim(aud="somebody-else"),
    "two_audiences": _two_audiences,
    "wrong_azp": _claim(azp="somebody-else"),
    "wrong_nonce": _claim(nonce="another"),
    "no_nonce": _without("nonce"),
    "no_exp": _without("exp"),
    "no_sub": _without("sub"),
    "expired": _later("exp", -3600),
    "not_yet": _later("iat", 3600),
    "old_login": _later("auth_time", -600),
    "no_auth_time": _without("auth_time"),
}

METADATA: dict[str, Claims] = {
    "metadata_of_another": {"issuer": "https://evil.example"},
    "metadata_with_slash": {"issuer": "https://corp.example/acme/"},
    "keys_over_http": {"jwks_uri": "http://corp.example/acme/jwks"},
    "keys_in_a_file": {"jwks_uri": "file:///etc/passwd"},
    "keys_at_an_address": {"jwks_uri": "https://169.254.169.254/jwks"},
    "keys_on_this_machine": {"jwks_uri": "https://localhost/jwks"},
    "tokens_over_http": {"token_endpoint": "http://corp.example/acme/token"},
    "plain_challenges": {"code_challenge_methods_supported": ["plain"]},
    "promises_iss": {"authorization_response_iss_parameter_supported": True},
}

CALLBACK: dict[str, Claims] = {
    "no_iss": {"iss": None},
    "iss_of_another": {"iss": "https://partner.example/team"},
}

TWISTS = frozenset({*ID_TOKEN, *METADATA, *CALLBACK})
