"""The sandbox's Gmail API: profile, messages, threads, labels and drafts of whoever's token came."""

import base64
from collections.abc import Callable

from starlette.requests import Request
from starlette.routing import Route

from valetkey.model import Json
from valetkey.sandbox.google import AUTH
from valetkey.sandbox.google_api import ApiError, GoogleApi, body, invalid, not_found, page, scopes
from valetkey.sandbox.ledger import Access
from valetkey.sandbox.mailbox import LABELS, Mail, Mailboxes, full, metadata, minimal, raw
from valetkey.sandbox.provider import Provider
from valetkey.sandbox.search import matches

ALL = frozenset({"https://mail.google.com/"})
READ = scopes("gmail.readonly", "gmail.modify", "gmail.metadata") | ALL
SEND = scopes("gmail.send", "gmail.compose", "gmail.modify") | ALL
COMPOSE = scopes("gmail.compose", "gmail.modify") | ALL
MODIFY = scopes("gmail.modify") | ALL
PROFILE = READ | scopes("gmail.compose")
SEE_LABELS = READ | scopes("gmail.labels")


class Gmail:
    """The API over everybody's mailboxes."""

    def __init__(self, provider: Provider, mailboxes: Mailboxes) -> None:
        self._provider, self._mailboxes = provider, mailboxes

    def routes(self) -> list[Route]:
        route = GoogleApi(self._provider, "/gmail/v1/users/{user}").route
        return [
            route("GET", "/profile", PROFILE, self.profile),
            route("GET", "/labels", SEE_LABELS, self.labels),
            route("GET", "/messages", READ, self.messages),
            route("POST", "/messages/send", SEND, self.send),
            route("GET", "/messages/{id}", READ, self.get),
            route("POST", "/messages/{id}/modify", MODIFY, self.modify),
            route("POST", "/messages/{id}/trash", MODIFY, self.trash),
            route("POST", "/messages/{id}/untrash", MODIFY, self.untrash),
            route("GET", "/threads/{id}", READ, self.thread),
            route("POST", "/drafts", COMPOSE, self.draft),
        ]

    async def profile(self, _request: Request, access: Access) -> Json:
        box = self._mailboxes.of(access.account)
        return {
            "emailAddress": access.account,
            "messagesTotal": len(box),
            "threadsTotal": len({mail.thread for mail in box}),
            "historyId": str(len(box)),
        }

    async def labels(self, _request: Request, _access: Access) -> Json:
        return {"labels": [{"id": name, "name": name, "type": "system"} for name in LABELS]}

    async def messages(self, request: Request, access: Access) -> Json:
        """Ids only, as Gmail lists; `pageToken` is where the next page starts."""
        query = request.query_params
        if "q" in query and AUTH + "gmail.metadata" in access.scopes:
            # Even beside gmail.readonly: holding the metadata scope takes `q` away.
            raise ApiError(403, "PERMISSION_DENIED", "Metadata scope does not support 'q' parameter")
        found = self._found(access.account, set(query.getlist("labelIds")), query.get("q", ""))
        ids = [{"id": mail.id, "threadId": mail.thread} for mail in found]
        return {"resultSizeEstimate": len(found), **page(request, ids, "messages", 100, 500)}

    def _found(self, account: str, labels: set[str], query: str) -> list[Mail]:
        """Trash is only listed when it is asked for by name."""
        wanted = labels | ({"TRASH"} if "in:trash" in query.lower().split() else set())
        box = self._mailboxes.of(account)
        shown = [mail for mail in box if "TRASH" not in mail.labels or "TRASH" in wanted]
        return [mail for mail in shown if labels <= mail.labels and matches(mail, query)]

    async def get(self, request: Request, access: Access) -> Json:
        return _view(request, access, self._mail(request, access))

    async def thread(self, request: Request, access: Access) -> Json:
        """The messages of a thread, oldest first."""
        id_ = request.path_params["id"]
        mails = [mail for mail in reversed(self._mailboxes.of(access.account)) if mail.thread == id_]
        if not mails:
            raise not_found()
        messages = [_view(request, access, mail) for mail in mails]
        return {"id": id_, "historyId": messages[-1]["historyId"], "messages": messages}

    async def send(self, request: Request, access: Access) -> Json:
        form = await body(request)
        mail = self._written(
            form, lambda raw: self._mailboxes.send(access.account, raw, form.get("threadId"))
        )
        sent = {
            "from": access.account,
            "to": mail.header("To"),
            "subject": mail.header("Subject"),
            "text": mail.text,
        }
        self._provider.counters.posted.append(sent)
        return _brief(mail)

    async def draft(self, request: Request, access: Access) -> Json:
        form = (await body(request)).get("message")
        mail = self._written(form, lambda raw: self._mailboxes.draft(access.account, raw))
        return {"id": f"r-{mail.id}", "message": _brief(mail)}

    def _written(self, form: Json, keep: Callable[[bytes], Mail]) -> Mail:
        try:
            text = str(form["raw"])
            return keep(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        except (LookupError, TypeError, ValueError) as problem:
            raise invalid(f"Invalid message: {problem}") from None

    async def modify(self, request: Request, access: Access) -> Json:
        mail, change = self._mail(request, access), await body(request)
        added, removed = set(change.get("addLabelIds", [])), set(change.get("removeLabelIds", []))
        for label in added | removed:
            if label not in LABELS:
                raise invalid(f"Invalid label: {str(label)[:40]}")
        mail.labels = (mail.labels | added) - removed
        return _brief(mail)

    async def trash(self, request: Request, access: Access) -> Json:
        mail = self._mail(request, access)
        mail.labels = (mail.labels | {"TRASH"}) - {"INBOX"}
        return _brief(mail)

    async def untrash(self, request: Request, access: Access) -> Json:
        mail = self._mail(request, access)
        mail.labels -= {"TRASH"}
        return _brief(mail)

    def _mail(self, request: Request, access: Access) -> Mail:
        mail = self._mailboxes.find(access.account, request.path_params["id"])
        if mail is None:
            raise not_found()
        return mail


FORMATS: dict[str, Callable[[Mail], Json]] = {"full": full, "minimal": minimal, "raw": raw}


def _view(request: Request, access: Access, mail: Mail) -> Json:
    """A message in the format that was asked for, as far as the scopes show it."""
    form = request.query_params.get("format", "full").lower()
    if form in ("full", "raw") and AUTH + "gmail.metadata" in access.scopes:
        raise ApiError(403, "PERMISSION_DENIED", f"Metadata scope doesn't allow format {form.upper()}")
    if form == "metadata":
        return metadata(mail, request.query_params.getlist("metadataHeaders"))
    if form not in FORMATS:
        raise invalid(f"Invalid value at 'format': {form[:40]!r}")
    return FORMATS[form](mail)


def _brief(mail: Mail) -> Json:
    return {"id": mail.id, "threadId": mail.thread, "labelIds": sorted(mail.labels)}
