"""What we ask an issuer as its client: with our secret in the header, or with a token that it gave us."""

import base64
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from valetkey.egress import Credential, Egress, Outgoing, origin_of
from valetkey.errors import EgressError, IssuerFailed
from valetkey.identity.discovery import LIMITS, read_object
from valetkey.model import Json, Secret


async def posted(
    egress: Egress, url: str, form: Mapping[str, str], client_id: str, secret: Secret | None
) -> dict[str, Json]:
    """Return the JSON object that an issuer's endpoint answers a form with. Raises IssuerFailed.

    Without a secret the client is a public one, which says in the form who it is.
    """
    origins = frozenset({origin_of(url)})
    fields = {**form, **({} if secret else {"client_id": client_id})}
    headers = (("Content-Type", "application/x-www-form-urlencoded"), ("Accept", "application/json"))
    request = Outgoing("POST", url, headers, urlencode(fields).encode())
    proof = {"Authorization": Secret(_basic(client_id, secret))} if secret else {}
    credential = Credential(proof, origins, 0)
    try:
        reply = await egress.send(request, origins=origins, limits=LIMITS, credential=credential)
    except EgressError as error:
        raise IssuerFailed(str(error)) from None
    if reply.status != 200:
        raise IssuerFailed(f"{url} answered with {reply.status}")
    return read_object(reply, url)


async def told_name(egress: Egress, url: str, token: Json, subject: str) -> str | None:
    """Return the name that userinfo tells of a person (OpenID Connect Core section 5.3), if it does.

    A name is for showing: an issuer that fails to tell it keeps nobody out.
    """
    if not isinstance(token, str):
        return None
    origins = frozenset({origin_of(url)})
    request = Outgoing("GET", url, (("Accept", "application/json"),))
    credential = Credential({"Authorization": Secret(f"Bearer {token}")}, origins, 0)
    try:
        reply = await egress.send(request, origins=origins, limits=LIMITS, credential=credential)
        told = read_object(reply, url)
    except (EgressError, IssuerFailed):
        return None
    name = told.get("name") if told.get("sub") == subject else None  # section 5.3.2: else it is of another
    return name if isinstance(name, str) else None


def _basic(client_id: str, secret: Secret) -> str:
    pair = f"{quote(client_id, safe='')}:{quote(secret.reveal(), safe='')}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"
