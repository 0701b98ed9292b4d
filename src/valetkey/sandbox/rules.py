"""How strict a provider is: the switches tests and the control surface turn. No state of any request."""

from dataclasses import dataclass, fields, replace
from typing import get_args, get_origin, get_type_hints

from valetkey.errors import UsageError
from valetkey.model import Json


@dataclass(frozen=True, slots=True)
class Rules:
    """One provider's habits. Times are in seconds; `lifetime` None: access tokens never expire.

    `reuse_kills`: a refresh token used twice ends its whole grant (RFC 9700 section 4.14.2), unless it
    comes again within `reuse_grace`, when it gets the same new pair. `refresh_limit`: so many live
    refresh tokens per account, the oldest dies silently. `grants_exactly`: what is granted whatever was
    asked and ticked. `next_links_to`: the origin that pagination links point to. `refresh_kills`: a refresh
    ends the grant's access tokens at once. `secret_in_query`: a pasted key may also come in the query.
    `consent_lasts`: what people consent to from now on ends after so long, whatever anybody does.
    """

    lifetime: int | None = 3599
    code_lifetime: int = 600
    pkce_required: bool = False
    sends_iss: bool = False
    http_redirects: bool = True
    rotates: bool = False
    reuse_kills: bool = False
    reuse_grace: int = 0
    refresh_kills: bool = False
    refresh_limit: int | None = None
    grants_exactly: frozenset[str] | None = None
    next_links_to: str | None = None
    secret_in_query: bool = False
    consent_lasts: int | None = None

    def changed(self, **changes: Json) -> "Rules":
        """Return these rules with some switched, from Python or JSON values. Raises UsageError."""
        unknown = set(changes) - {field.name for field in fields(self)}
        if unknown:
            raise UsageError(f"no such rule: {', '.join(sorted(unknown))}")
        return replace(self, **{name: _as_rule(name, value) for name, value in changes.items()})


def _as_rule(name: str, value: Json) -> Json:
    if isinstance(value, list | set | tuple):
        value = frozenset(value)
    hint = get_type_hints(Rules)[name]
    kinds = tuple(get_origin(kind) or kind for kind in get_args(hint) or (hint,))
    if not isinstance(value, kinds):
        raise UsageError(f"the rule {name} cannot be {value!r}")
    return value
