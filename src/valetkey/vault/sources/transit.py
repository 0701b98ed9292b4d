"""The root key in HashiCorp Vault or OpenBao, by their Transit engine, through their client `hvac`: an extra.

It never leaves there: each key-encryption key is sent to be wrapped or unwrapped, with its place as
associated data. Blocking; called at start and on rotation alone.
"""

import base64
from collections.abc import Callable
from typing import Any

import hvac  # type: ignore[import-untyped] # it carries no types
from hvac.exceptions import InvalidRequest, VaultError  # type: ignore[import-untyped] # as above
from requests.exceptions import RequestException

from valetkey.errors import IntegrityError, KeyFileError
from valetkey.vault.seal import Place

KIND = "transit"
_SECONDS = 20


class Transit:
    """One key of a Transit engine. `verify`: a certificate bundle, or True; `proxy`: the way, if any."""

    kind = KIND

    def __init__(
        self, url: str, mount: str, name: str, token: str, *, verify: str | bool, proxy: str | None
    ) -> None:
        self._url, self._mount, self._name = url, mount, name
        proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._client = hvac.Client(
            url=url,
            token=token,
            cert=(),  # None would have it look for one in the environment
            verify=verify,
            timeout=_SECONDS,
            proxies=proxies,
            allow_redirects=False,  # the token would go along
        )
        self._client.adapter.session.trust_env = False  # no proxy, netrc or bundle that a variable names

    def key_id(self) -> str:
        return f"the key `{self._name}` of {self._url}, at {self._mount}"

    def wrap(self, kek: bytes, context: Place) -> bytes:
        transit = self._client.secrets.transit
        try:
            return str(
                self._asked(transit.encrypt_data, context, plaintext=_text(kek))["ciphertext"]
            ).encode()
        except InvalidRequest:
            raise KeyFileError(f"{self.key_id()}: it cannot encrypt; see its type") from None

    def unwrap(self, blob: bytes, context: Place) -> bytes:
        transit = self._client.secrets.transit
        if not blob.startswith(b"vault:v"):
            raise IntegrityError("no Transit engine wrapped this key")
        try:
            data = self._asked(transit.decrypt_data, context, ciphertext=blob.decode("ascii", "replace"))
            return base64.b64decode(data["plaintext"], validate=True)
        except InvalidRequest:
            raise IntegrityError("the Transit engine does not open this key where it stands") from None
        except (KeyError, TypeError, ValueError):
            raise KeyFileError(f"{self.key_id()}: what it answers is no key; nothing was changed") from None

    def _asked(self, ask: Callable[..., Any], context: Place, **what: str) -> dict[str, Any]:
        """Ask it, with the place bound in. An error never says what it answered: that may hold what was sent.

        Raises InvalidRequest, and KeyFileError for all else.
        """
        try:
            answer = ask(self._name, **what, associated_data=_text(context.aad()), mount_point=self._mount)
            return dict(answer["data"])
        except InvalidRequest:
            raise
        except (VaultError, RequestException, KeyError, TypeError, ValueError) as error:
            kind = type(error).__name__
            advice = _ADVICE.get(kind, "nothing was changed")
            raise KeyFileError(f"{self.key_id()}: cannot be asked ({kind}); {advice}") from None


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


_ADVICE = {
    "Forbidden": "its token has ended, or may not use `encrypt` and `decrypt` of this key",
    "InvalidPath": "there is no such key or mount",
    "VaultDown": "it is sealed: unseal it first",
}
