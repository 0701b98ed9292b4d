"""Everything that a test's clients and providers hand over or are handed: the secrets, and what was shown."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2
import pytest
from joserfc import jwt

from tests.support.canary import Needles
from valetkey.sandbox.issuer import Issuer
from valetkey.sandbox.ledger import Ledger

DELIVERS = frozenset({"/token", "/register"})
"""Endpoints whose answers are secrets, for the one who asked."""

_SECRET = frozenset({"code", "state", "code_verifier", "refresh_token", "access_token", "client_secret"})
_RANDOM = 20
"""A value of so many letters was drawn, not chosen."""


class Overheard:
    """`never` are secrets that nobody may ever see again; `once` those that were delivered to one reader."""

    def __init__(self) -> None:
        self.never, self.once = Needles(), Needles()
        self.shown: list[bytes] = []
        self._ours = ""

    def listen_at(self, url: str) -> None:
        """Note what is answered there, and of everything else only what is secret."""
        self._ours = url

    def answer(self, request: httpx2.Request, answer: httpx2.Response) -> None:
        for morsel in (SimpleCookie(line) for line in answer.headers.get_list("set-cookie")):
            for cookie in morsel.values():
                self.once.add("cookie", cookie.value.rpartition(".")[2])
        self._parameters(urlsplit(answer.headers.get("location", "")).query)
        if not answer.is_closed or not str(request.url).startswith(self._ours):
            return
        if request.url.path in DELIVERS:
            self._delivered(answer)
        else:
            self.shown.append(answer.content)

    def _parameters(self, query: str) -> None:
        for name, value in parse_qsl(query):
            if name in _SECRET and len(value) >= _RANDOM:
                self.once.add(name, value)

    def _delivered(self, answer: httpx2.Response) -> None:
        if "json" in answer.headers.get("content-type", ""):
            for name, value in answer.json().items():
                if name in _SECRET and isinstance(value, str):
                    self.once.add(
                        name, value.rpartition(".")[2]
                    )  # of a JWT its signature: the rest is no secret


@contextmanager
def overhearing() -> Iterator[Overheard]:
    """Overhear every client of this process, and the sandbox's books."""
    heard = Overheard()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpx2.AsyncClient, "send", _sending(heard, httpx2.AsyncClient.send))
        patch.setattr(Ledger, "_secret", _drawing(heard, Ledger._secret))
        patch.setattr(Ledger, "redeem", _redeeming(heard, Ledger.redeem))
        patch.setattr(jwt, "encode", _signing(heard.once, jwt.encode))
        patch.setattr(Issuer, "_issued", _signing(heard.never, Issuer._issued))
        yield heard


def _sending(heard: Overheard, send: Any) -> Any:
    async def sent(client: Any, request: httpx2.Request, **how: Any) -> httpx2.Response:
        answer: httpx2.Response = await send(client, request, **how)
        heard.answer(request, answer)
        return answer

    return sent


def _drawing(heard: Overheard, draw: Any) -> Any:
    def drawn(ledger: Ledger, mark: str) -> str:
        secret: str = draw(ledger, mark)
        if mark != "grant-":
            heard.never.add(f"a provider's {mark}", secret)
        return secret

    return drawn


def _redeeming(heard: Overheard, redeem: Any) -> Any:
    def redeemed(ledger: Ledger, client: str, code: str, redirect_uri: str, verifier: str | None) -> Any:
        heard.never.add("our PKCE verifier", verifier or "")
        return redeem(ledger, client, code, redirect_uri, verifier)

    return redeemed


def _signing(needles: Needles, encode: Any) -> Any:
    def signed(*given: Any, **more: Any) -> str:
        token: str = encode(*given, **more)
        needles.add("a token's signature", token.rpartition(".")[2])
        return token

    return signed
