"""POST /token (RFC 6749 section 3.2): who asks, and by which grant type. What a type needs is its own."""

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from valetkey.authserver.asking import GrantType, answering, given, read_form
from valetkey.authserver.authentication import ClientAuthentication
from valetkey.errors import OAuthError
from valetkey.identity import Tokens
from valetkey.pages import Site

PATH = "/token"


class TokenEndpoint:
    """Answers with tokens. `kinds` are the grant types by their registered names."""

    def __init__(
        self, site: Site, authentication: ClientAuthentication, tokens: Tokens, kinds: Mapping[str, GrantType]
    ) -> None:
        self._site, self._authentication, self._tokens, self._kinds = site, authentication, tokens, kinds

    @property
    def route(self) -> Route:
        return Route(PATH, answering(self._answer), methods=["POST"])

    async def _answer(self, request: Request) -> Response:
        self._site.refuse_other_hosts(request)
        form = await read_form(request)
        client = await self._authentication.client(request, form)
        kind = self._kinds.get(form.need("grant_type"))
        if kind is None:
            raise OAuthError("unsupported_grant_type", f"use one of {', '.join(sorted(self._kinds))}")
        await self._tokens.renew()  # a key that was rotated away by another process signs nothing more
        return given(await kind.answer(client, form))
