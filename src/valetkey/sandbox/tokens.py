"""The token endpoint's work: authenticate the client, redeem or refresh, and answer in RFC 6749's shapes."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from valetkey.sandbox.forms import authenticate, needed, token_form
from valetkey.sandbox.ledger import Issued, Refused
from valetkey.sandbox.provider import Provider


async def exchange(provider: Provider, request: Request, default_grant: str | None = None) -> Issued:
    """Answer a token request (RFC 6749 sections 4.1.3 and 6), counting how it ended. Raises Refused."""
    grant_type = "unreadable"
    try:
        form = await token_form(request)
        grant_type = form.get("grant_type", default_grant or "missing")
        authenticate(request, form, provider.kind.client)
        issued = _issued(provider, grant_type, form)
    except Refused as refused:
        provider.counters.token_requests[grant_type, refused.error] += 1
        raise
    provider.count_token(grant_type, issued)
    return issued


def _issued(provider: Provider, grant_type: str, form: dict[str, str]) -> Issued:
    if grant_type == "authorization_code":
        return _redeemed(provider, form)
    if grant_type == "refresh_token":
        scopes = frozenset(form["scope"].split()) if "scope" in form else None
        return provider.ledger.refresh(provider.kind.client.id, needed(form, "refresh_token"), scopes)
    raise Refused("unsupported_grant_type", f"grant_type {grant_type[:40]!r} is not served")


def _redeemed(provider: Provider, form: dict[str, str]) -> Issued:
    code, redirect_uri = needed(form, "code"), needed(form, "redirect_uri")
    if provider.ledger.is_used(code):
        provider.counters.codes_reused += 1
    return provider.ledger.redeem(provider.kind.client.id, code, redirect_uri, form.get("code_verifier"))


def tokens(issued: Issued) -> Response:
    """The answer of RFC 6749 section 5.1."""
    body = {
        "access_token": issued.access,
        "expires_in": issued.lifetime,
        "refresh_token": issued.refresh,
        "refresh_token_expires_in": issued.refresh_lasts,
        "scope": " ".join(sorted(issued.scopes)),
        "token_type": "Bearer",
    }
    told = {name: value for name, value in body.items() if value is not None}
    return JSONResponse(told, headers={"Cache-Control": "no-store"})


def refusal(refused: Refused) -> Response:
    """An error of RFC 6749 section 5.2."""
    headers = {"Cache-Control": "no-store"}
    if refused.status == 401:
        headers["WWW-Authenticate"] = "Basic"
    return JSONResponse({"error": refused.error, "error_description": refused.text}, refused.status, headers)
