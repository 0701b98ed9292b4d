"""The detachable parts of events: how they are read beside their events, and how a person is forgotten.

What a part is and how the chain holds its digest is `chain`.
"""

from valetkey.audit.chain import Personal
from valetkey.model import Principal
from valetkey.store import Row, Transaction
from valetkey.vault import COLUMNS, Vault

PERSONAL = COLUMNS
JOIN_PERSONAL = "LEFT JOIN sealed s ON s.purpose = 'audit' AND s.id = a.id"


def part_of(vault: Vault, row: Row) -> Personal | None:
    """Open the personal part of an event that was read with JOIN_PERSONAL; None where there is none.

    Raises IntegrityError when it does not open beside this event.
    """
    if row["content"] is None:
        return None
    return Personal(**vault.opened("audit", row["id"], row).content)


async def forget_personal(tx: Transaction, vault: Vault, principal: Principal) -> int:
    """Delete the personal part of every event about a principal; returns how many events those are.

    The chain stays whole and verification says `withheld`. That it was done is the caller's to record.
    """
    rows = await tx.all(_ABOUT, principal.issuer, principal.subject)
    await vault.forget_all(tx, "audit", [row["id"] for row in rows])
    return len(rows)


_ABOUT = """
SELECT a.id FROM audit a JOIN sealed s ON s.purpose = 'audit' AND s.id = a.id
WHERE a.issuer = $1 AND a.subject = $2"""
