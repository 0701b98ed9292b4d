"""What became of an ended connection at its provider, and the sentence its person is told. No more is said
than is known.
"""

from dataclasses import dataclass
from enum import StrEnum

from valetkey.connections.endpoint import oauth2
from valetkey.manifest import Connector


class AtProvider(StrEnum):
    """What became of the tokens at the provider."""

    REVOKED = "revoked"
    PENDING = "pending"
    SHARED = "shared"
    NOT_SUPPORTED = "not_supported"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Revoked:
    """How a revocation went, with the sentence its person is told."""

    at_provider: AtProvider
    told: str


_NO_WAY = "The provider has no way to be told; remove it there as well."
UNKNOWN = Revoked(AtProvider.FAILED, "It has ended here. Remove it at the provider as well.")
"""There is nothing to tell the provider with."""


def confirmed(connector: Connector) -> Revoked:
    """The provider has said that it is done."""
    told = f"It has ended here, and {connector.title} confirmed that its access is gone."
    return Revoked(AtProvider.REVOKED, told)


def refused(connector: Connector) -> Revoked:
    """The provider said no, or said nothing for so long that it is not asked any more."""
    told = f"It has ended here, but {connector.title} did not confirm. Remove it there as well."
    return Revoked(AtProvider.FAILED, told)


def pending(connector: Connector) -> Revoked:
    """The provider could not be asked, or not answer, just now."""
    told = (
        f"It has ended here, but {connector.title} did not confirm yet. It will be told again for a day; to "
        "be sure, remove it there as well."
    )
    return Revoked(AtProvider.PENDING, told)


def shared(connector: Connector) -> Revoked:
    """To tell this provider would end what is still in use."""
    told = (
        f"It has ended here. {connector.title}'s provider was not told: it would end the account's other "
        "connections too. It is told with the last of them; or remove the access there."
    )
    return Revoked(AtProvider.SHARED, told)


def cannot_be_told(connector: Connector) -> Revoked | None:
    """What is said where there is no way to tell the provider; None where there is one."""
    if connector.pasted:
        return Revoked(AtProvider.NOT_SUPPORTED, _still_works(connector))
    how = oauth2(connector).revoke
    if how is not None and how.supported:
        return None
    tell = how.tell if how and how.tell else _NO_WAY
    return Revoked(AtProvider.NOT_SUPPORTED, f"It has ended here. {tell}")


def beforehand(connector: Connector | None) -> str:
    """What is said before an account is disconnected: what that does at the provider."""
    if connector is None:
        return "Its key is erased here; remove the access at the other side as well."
    if connector.pasted:
        return "Its secret is erased here; it stays valid at the other side until you remove it there."
    how = oauth2(connector).revoke
    if how is None or not how.supported:
        return f"Its key is erased here. {how.tell if how and how.tell else _NO_WAY}"
    if how.siblings:
        return "Its key is erased here, and given back at the other side with the last of this account's."
    return "Its key is erased here and given back at the other side."


def _still_works(connector: Connector) -> str:
    """A pasted secret is not ours to end: only its person can, where they got it."""
    where = f": {connector.pasted.where}" if connector.pasted else ""
    return f"It has ended here. At {connector.title} the secret works until you remove it there{where}."
