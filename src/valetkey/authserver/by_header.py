"""A client's authentication where no form is: its secret, or an assertion, in the request's one header."""

from starlette.requests import Request

from valetkey.authserver.asking import Form
from valetkey.authserver.authentication import ASSERTION_TYPE, ClientAuthentication, not_authenticated
from valetkey.people import Agent


class HeaderAuthentication:
    """Knows an agent by `Authorization`: `Basic` with its id and secret, or `Bearer` with an assertion."""

    def __init__(self, authentication: ClientAuthentication) -> None:
        self._authentication = authentication

    async def agent(self, request: Request) -> Agent:
        """Return the agent that asks. Raises OAuthError as `ClientAuthentication.proven` does."""
        values = request.headers.getlist("authorization")
        scheme, _, shown = values[0].partition(" ") if len(values) == 1 else ("", "", "")
        match scheme.lower():
            case "basic":
                return (await self._authentication.proven(request, Form({}))).agent
            case "bearer":
                asserted = {"client_assertion": shown.strip(), "client_assertion_type": ASSERTION_TYPE}
                return (await self._authentication.proven(_bare(request), Form(asserted))).agent
        raise not_authenticated()


def _bare(request: Request) -> Request:
    """The request without the header: what was in it is shown as a form's parameter."""
    headers = [(name, value) for name, value in request.scope["headers"] if name != b"authorization"]
    return Request({**request.scope, "headers": headers})
