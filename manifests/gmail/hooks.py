"""Gmail tools that need more than a request template."""

import base64
from email.message import EmailMessage
from typing import Any


async def send_message(call: Any) -> dict[str, str]:
    """Send one plain-text email: Gmail takes a whole MIME message, base64url-encoded."""
    mail = EmailMessage()
    mail["To"], mail["Subject"] = call.args["to"], call.args["subject"]
    if "cc" in call.args:
        mail["Cc"] = call.args["cc"]
    mail.set_content(call.args["text"])
    raw = base64.urlsafe_b64encode(mail.as_bytes()).decode()
    sent = await call.request("POST /messages/send", json={"raw": raw})
    return {"id": sent["id"], "thread_id": sent["threadId"]}
