"""Every exception Valetkey raises on purpose. The tree:

ValetkeyError                  what every caller may catch; `str()` is a sentence for a person
├── ConfigError                the installation cannot be used as it is (exit code 78)
│   ├── SettingsError          valetkey.toml, or a value in it
│   ├── KeyFileError           the key is missing, unsafe, malformed, or not this store's
│   ├── StoreError             the store is corrupt, newer than this program, or read-only
│   └── ManifestError          a connector manifest: file, tool, key, and the nearest valid key
├── UsageError                 a command or form asked for something that cannot be (exit code 1)
├── IntegrityError             a sealed record does not open where it stands
├── EgressError                a request did not bring a usable answer
│   ├── EgressRefused          never sent: origin, address, header or path not permitted
│   ├── EgressUnreachable      not sent: no connection could be made
│   ├── EgressBadAnswer        answered, but too large, too slow, redirected or malformed
│   └── EgressAnswerLost       sent, and no whole answer came: it may have happened
├── OAuthRefused               a token endpoint answered with an error
├── OAuthError                 our own authorization server refuses a client's request
├── IssuerFailed               an issuer that we trust could not be asked, or said what cannot be believed
├── Unauthenticated            a credential that names no caller (HTTP 401)
│   └── NoPerson               a good one that names no person to act for (HTTP 403)
├── PageError                  a page cannot be shown or a form cannot be accepted (HTTP status)
└── CallError                  why a tool call did not return a result: one outcome of the closed list
    ├── NeedsPerson            a person has to open a link first
    ├── Dormant                this copy of the store is not the live one: it acts for nobody
    └── Replayed               this call id was sent before; it is not sent again

No message ever carries a token, a code, a secret or an upstream body. Of an exception that nobody raised
on purpose that cannot be said: `where` is all that is logged of one.
"""

import traceback


class ValetkeyError(Exception):
    """Base of all errors raised on purpose. `str(error)` is one sentence that says what to do."""


class ConfigError(ValetkeyError):
    """The installation cannot be used as it is; the command line exits 78 (sysexits EX_CONFIG)."""


class SettingsError(ConfigError):
    """valetkey.toml is missing something, has an unknown key, or holds a value that cannot be used."""


class KeyFileError(ConfigError):
    """The key file is missing, unsafe to use, malformed, or does not belong to this store."""


class StoreError(ConfigError):
    """The store cannot be used: corrupt, read-only, full, or written by a newer version."""


class ManifestError(ConfigError):
    """A manifest is refused.

    `file` is the path as the operator gave it, `where` the tool and key (`tools.list_unread.effect`).
    """

    def __init__(self, file: str, where: str, problem: str, nearest: str | None = None) -> None:
        self.file, self.where, self.problem, self.nearest = file, where, problem, nearest
        hint = f"; did you mean `{nearest}`?" if nearest else ""
        place = f"{file}: {where}" if where else file
        super().__init__(f"{place}: {problem}{hint}")


class UsageError(ValetkeyError):
    """What was asked cannot be done; nothing was changed. The command line exits 1."""


class IntegrityError(ValetkeyError):
    """A sealed record does not open where it stands: changed, moved, rolled back, or another key's."""


class EgressError(ValetkeyError):
    """A request to an upstream did not bring a usable answer."""


class EgressRefused(EgressError):
    """The request was never sent: its origin, address, path or a header is not permitted."""


class EgressUnreachable(EgressError):
    """The request was not sent: name, connection or TLS failed. Nothing can have happened."""


class EgressBadAnswer(EgressError):
    """An answer came that is refused: a redirect, too large, badly encoded, not what was declared."""


class EgressAnswerLost(EgressError):
    """The request was sent and no whole answer came back. It may have happened."""


class OAuthRefused(ValetkeyError):
    """A token endpoint answered with an error (RFC 6749 section 5.2).

    `error` is its code, or `http_<status>` where it sent none; never its description.
    """

    def __init__(self, error: str, status: int, retry_after: float | None = None) -> None:
        self.error, self.status, self.retry_after = error, status, retry_after
        super().__init__(f"the provider's token endpoint refused: {error} (HTTP {status})")


class OAuthError(ValetkeyError):
    """Our authorization server refuses a client's request (RFC 6749 section 5.2).

    `error` is a registered code, `description` a sentence for the client's developer; `more` are further
    members of the answer.
    """

    def __init__(self, error: str, description: str, status: int = 400, **more: str) -> None:
        self.error, self.description, self.status, self.more = error, description, status, more
        super().__init__(f"{error}: {description}")


class IssuerFailed(ValetkeyError):
    """An issuer that we trust could not be asked, or said something that cannot be believed."""


class Unauthenticated(ValetkeyError):
    """A credential that names no caller.

    `status` is 401, 403 for a token without a person, 503 while its issuer cannot be asked about it.
    """

    def __init__(self, problem: str, status: int = 401) -> None:
        self.status = status
        super().__init__(problem)


class NoPerson(Unauthenticated):
    """A good credential that names no person to act for; `client` is whose it is, where it says so."""

    def __init__(self, client: str | None) -> None:
        self.client = client
        super().__init__("this token names no person to act for", status=403)


class PageError(ValetkeyError):
    """A page cannot be shown, or a form cannot be accepted. `status` is the HTTP status."""

    def __init__(self, status: int, title: str, text: str) -> None:
        self.status, self.title, self.text = status, title, text
        super().__init__(f"{title}. {text}")


class CallError(ValetkeyError):
    """Why a tool call returned no result.

    `outcome` is a code of `model.Outcome`; `text` is written for the model that reads it: what
    happened and what to do next. `retry_after` is in seconds.
    """

    def __init__(self, outcome: str, text: str, *, retry_after: float | None = None) -> None:
        self.outcome, self.text, self.retry_after = outcome, text, retry_after
        super().__init__(text)


class NeedsPerson(CallError):
    """A person has to open `link` before the call can go on.

    `request` is the id of the access request, `wants` the sentence the person is shown. `resend`:
    the call was sent and the upstream turned it away before doing anything, so it may be sent anew.
    """

    def __init__(
        self, outcome: str, text: str, *, link: str, request: str, wants: str, resend: bool = False
    ) -> None:
        self.link, self.request, self.wants, self.resend = link, request, wants, resend
        super().__init__(outcome, text)


class Dormant(CallError):
    """This copy of the store is not the live one: nothing is sent, spent or minted at any provider."""

    def __init__(self, text: str) -> None:
        super().__init__("unavailable", text)


class Replayed(CallError):
    """This call id was sent before; the stored outcome is all there is, and it is not sent again."""


def where(error: Exception) -> str:
    """An error's kind and its place in the code; never its message, which can hold what somebody sent."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "?"
    return f"{type(error).__name__} at {place}"
