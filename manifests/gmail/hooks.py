"""Gmail tools that need more than a request template."""

import base64
from email.message import EmailMessage
from typing import Any


async def send_message(call: Any) -> dict[str, str]:
    """Send one plain-text email."""
    sent = await call.request("POST /messages/send", json={"raw": _raw(call.args)})
    return {"id": sent["id"], "thread_id": sent["threadId"]}


async def create_draft(call: Any) -> dict[str, str]:
    """Leave one plain-text email in the drafts."""
    draft = await call.request("POST /drafts", json={"message": {"raw": _raw(call.args)}})
    return {"draft_id": draft["id"], "id": draft["message"]["id"]}


def _raw(args: Any) -> str:
    """Gmail takes a whole MIME message, base64url-encoded."""
    mail = EmailMessage()
    mail["To"], mail["Subject"] = args["to"], args["subject"]
    if "cc" in args:
        mail["Cc"] = args["cc"]
    mail.set_content(args["text"])
    return base64.urlsafe_b64encode(mail.as_bytes()).decode()
