"""An authenticator in software: makes passkeys and signs, as WebAuthn says or as a test wants it."""

import base64
import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field

import cbor2
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.hashes import SHA256

from valetkey.model import Json

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "==")


@dataclass
class Authenticator:
    """A device with one passkey, and the browser it is used in. What a test changes is sent as it says."""

    origin: str
    host: str = "localhost"
    flags: int = PRESENT | VERIFIED
    count: int = 0
    counts: bool = True
    handle: str = ""
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: EllipticCurvePrivateKey = field(default_factory=lambda: generate_private_key(SECP256R1()))

    def make(self, options: str, **client: Json) -> str:
        """What `navigator.credentials.create` gives."""
        asked = json.loads(options)
        self.handle = asked["user"]["id"]
        attested = bytes(16) + struct.pack(">H", len(self.id)) + self.id + self._public()
        data = self._data(self.flags | ATTESTED) + attested
        made = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        response = {"clientDataJSON": self._client("create", asked, client), "attestationObject": b64(made)}
        return self._sent(response)

    def sign(self, options: str, **client: Json) -> str:
        """What `navigator.credentials.get` gives."""
        asked = json.loads(options)
        self.count += self.counts
        said, data = self._client("get", asked, client), self._data(self.flags)
        signature = self.key.sign(data + hashlib.sha256(unb64(said)).digest(), ECDSA(SHA256()))
        response = {"clientDataJSON": said, "authenticatorData": b64(data), "signature": b64(signature)}
        return self._sent(response | ({"userHandle": self.handle} if self.handle else {}))

    def _client(self, kind: str, asked: Json, more: Json) -> str:
        said = {"type": f"webauthn.{kind}", "challenge": asked["challenge"], "origin": self.origin}
        return b64(json.dumps(said | more).encode())

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.host.encode()).digest() + struct.pack(">BI", flags, self.count)

    def _public(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return cbor2.dumps({1: 2, 3: -7, -1: 1, -2: x, -3: y})

    def _sent(self, response: Json) -> str:
        return json.dumps(
            {"id": b64(self.id), "rawId": b64(self.id), "type": "public-key", "response": response}
        )
