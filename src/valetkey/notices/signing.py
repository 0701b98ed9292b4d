"""Webhooks by Standard Webhooks: what is posted, its id and time, and a signature with a secret of its own.

While a secret is being replaced both sign, so that a receiver can change over when it likes.
"""

import base64
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime

from valetkey.egress import Outgoing
from valetkey.model import SECOND, Json
from valetkey.vault import KeyRing, Purpose, ServerKey

_PREFIX = "whsec_"


def secret_text(key: ServerKey) -> str:
    """A key as receivers' libraries take it."""
    return _PREFIX + base64.b64encode(key.secret).decode()


def signed(keys: KeyRing, url: str, message: str, at: int, payload: Mapping[str, Json]) -> Outgoing:
    """Return the request that posts a payload; `message` is its id, the same however often it is sent."""
    body, seconds = json.dumps(payload).encode(), str(at // SECOND)
    content = f"{message}.{seconds}.".encode() + body
    signatures = [_signature(key, content) for key in keys.all_for(Purpose.WEBHOOK)]
    headers = (
        ("Content-Type", "application/json"),
        ("webhook-id", message),
        ("webhook-timestamp", seconds),
        ("webhook-signature", " ".join(signatures)),
    )
    return Outgoing("POST", url, headers, body)


def moment(at: int) -> str:
    """A time as ISO 8601."""
    return datetime.fromtimestamp(at / SECOND, UTC).isoformat(timespec="seconds")


def _signature(key: ServerKey, content: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(key.secret, content, "sha256")).decode()
