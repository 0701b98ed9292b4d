"""The sandbox's Gmail API: profile and messages of whoever's token came, with Google's error shapes."""

import base64
import json
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from valetkey.errors import ValetkeyError
from valetkey.model import Json
from valetkey.sandbox.google import AUTH
from valetkey.sandbox.ledger import Access, BadToken
from valetkey.sandbox.mailbox import Mail, Mailboxes, full, metadata, minimal, raw
from valetkey.sandbox.provider import Provider, bearer_token
from valetkey.sandbox.search import matches

BASE = "/gmail/v1/users/{user}"
ALL = "https://mail.google.com/"
READ = frozenset({AUTH + "gmail.readonly", AUTH + "gmail.modify", AUTH + "gmail.metadata", ALL})
SEND = frozenset({AUTH + "gmail.send", AUTH + "gmail.compose", AUTH + "gmail.modify", ALL})
MODIFY = frozenset({AUTH + "gmail.modify", ALL})
PROFILE = READ | {AUTH + "gmail.compose"}

UNAUTHENTICATED = "Request had invalid authentication credentials."
INSUFFICIENT = "Request had insufficient authentication scopes."

REASONS = {"missing": "CREDENTIALS_MISSING", "expired": "ACCESS_TOKEN_EXPIRED"}

Work = Callable[[Request, Access], Awaitable[Json]]


class ApiError(ValetkeyError):
    """A Google API refuses: HTTP status, its canonical name, and a reason for `details`."""

    def __init__(self, code: int, status: str, message: str, reason: str | None = None) -> None:
        self.code, self.status, self.message, self.reason = code, status, message, reason
        super().__init__(message)

    def response(self) -> Response:
        error: Json = {"code": self.code, "message": self.message, "status": self.status}
        if self.reason:
            info = "type.googleapis.com/google.rpc.ErrorInfo"
            error["details"] = [{"@type": info, "reason": self.reason, "domain": "googleapis.com"}]
        headers = (
            {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'} if self.code == 401 else {}
        )
        return JSONResponse({"error": error}, self.code, headers)


class Gmail:
    """The API over everybody's mailboxes; whose is decided by the token alone."""

    def __init__(self, provider: Provider, mailboxes: Mailboxes) -> None:
        self._provider, self._mailboxes = provider, mailboxes

    def routes(self) -> list[Route]:
        return [
            self._route("GET", "/profile", PROFILE, self.profile),
            self._route("GET", "/messages", READ, self.messages),
            self._route("POST", "/messages/send", SEND, self.send),
            self._route("GET", "/messages/{id}", READ, self.get),
            self._route("POST", "/messages/{id}/modify", MODIFY, self.modify),
        ]

    async def profile(self, _request: Request, access: Access) -> Json:
        box = self._mailboxes.of(access.account)
        return {
            "emailAddress": access.account,
            "messagesTotal": len(box),
            "threadsTotal": len({mail.thread for mail in box}),
            "historyId": str(len(box)),
        }

    async def messages(self, request: Request, access: Access) -> Json:
        """Ids only, as Gmail lists; `pageToken` is where the next page starts."""
        query = request.query_params
        if "q" in query and AUTH + "gmail.metadata" in access.scopes:
            # Even beside gmail.readonly: holding the metadata scope takes `q` away.
            raise ApiError(403, "PERMISSION_DENIED", "Metadata scope does not support 'q' parameter")
        size, start = (
            _number(query.get("maxResults", "100"), 1, 500),
            _number(query.get("pageToken", "0"), 0, 10**6),
        )
        found = self._found(access.account, set(query.getlist("labelIds")), query.get("q", ""))
        page: Json = {"resultSizeEstimate": len(found)}
        if found[start : start + size]:
            page["messages"] = [
                {"id": mail.id, "threadId": mail.thread} for mail in found[start : start + size]
            ]
        if start + size < len(found):
            page["nextPageToken"] = str(start + size)
        return page

    def _found(self, account: str, labels: set[str], query: str) -> list[Mail]:
        box = self._mailboxes.of(account)
        return [mail for mail in box if labels <= mail.labels and matches(mail, query)]

    async def get(self, request: Request, access: Access) -> Json:
        mail = self._mail(request, access)
        form = request.query_params.get("format", "full").lower()
        if form in ("full", "raw") and AUTH + "gmail.metadata" in access.scopes:
            raise ApiError(403, "PERMISSION_DENIED", f"Metadata scope doesn't allow format {form.upper()}")
        if form == "metadata":
            return metadata(mail, request.query_params.getlist("metadataHeaders"))
        if form not in FORMATS:
            raise ApiError(400, "INVALID_ARGUMENT", f"Invalid value at 'format': {form[:40]!r}")
        return FORMATS[form](mail)

    async def send(self, request: Request, access: Access) -> Json:
        body = await _body(request)
        try:
            text = str(body["raw"])
            message = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            mail = self._mailboxes.send(access.account, message, body.get("threadId"))
        except (LookupError, ValueError) as problem:
            raise ApiError(400, "INVALID_ARGUMENT", f"Invalid message: {problem}") from None
        sent = {
            "from": access.account,
            "to": mail.header("To"),
            "subject": mail.header("Subject"),
            "text": mail.text,
        }
        self._provider.counters.posted.append(sent)
        return {"id": mail.id, "threadId": mail.thread, "labelIds": sorted(mail.labels)}

    async def modify(self, request: Request, access: Access) -> Json:
        mail, body = self._mail(request, access), await _body(request)
        mail.labels |= set(body.get("addLabelIds", []))
        mail.labels -= set(body.get("removeLabelIds", []))
        return {"id": mail.id, "threadId": mail.thread, "labelIds": sorted(mail.labels)}

    def _mail(self, request: Request, access: Access) -> Mail:
        mail = self._mailboxes.find(access.account, request.path_params["id"])
        if mail is None:
            raise ApiError(404, "NOT_FOUND", "Requested entity was not found.")
        return mail

    def _route(self, method: str, path: str, scopes: frozenset[str], work: Work) -> Route:
        async def answer(request: Request) -> Response:
            try:
                return JSONResponse(await work(request, self._allowed(request, scopes)))
            except ApiError as refused:
                return refused.response()

        return self._provider.route(BASE + path, "api", answer, method)

    def _allowed(self, request: Request, scopes: frozenset[str]) -> Access:
        """Check the token, its scopes, and that the path names nobody else."""
        try:
            access = self._provider.caller(bearer_token(request))
        except BadToken as bad:
            raise ApiError(401, "UNAUTHENTICATED", UNAUTHENTICATED, REASONS.get(bad.reason)) from None
        if request.path_params["user"] not in ("me", access.account):
            raise ApiError(403, "PERMISSION_DENIED", f"Delegation denied for {access.account}")
        if not access.scopes & scopes:
            self._provider.counters.api_refused["scope"] += 1
            raise ApiError(403, "PERMISSION_DENIED", INSUFFICIENT, "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
        return access


FORMATS: dict[str, Callable[[Mail], Json]] = {"full": full, "minimal": minimal, "raw": raw}


def _number(text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise ApiError(400, "INVALID_ARGUMENT", f"Invalid number {text[:20]!r}")
    return min(int(text), most)


async def _body(request: Request) -> Json:
    try:
        body = json.loads(await request.body())
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(400, "INVALID_ARGUMENT", "Invalid JSON payload received.")
    return body
