"""Copies of a store: backups and what is restored from them, moves to another database, and which is live.

How a store's generation is kept, and what a copy that is not live may do, is in `generation`.
"""

from valetkey.copies.activating import Activated, activated, reached, retired
from valetkey.copies.backup import back_up
from valetkey.copies.migrate import migrated
from valetkey.copies.opening import Copy, copy_at
from valetkey.copies.restore import Restored, restored

__all__ = [
    "Activated",
    "Copy",
    "Restored",
    "activated",
    "back_up",
    "copy_at",
    "migrated",
    "reached",
    "restored",
    "retired",
]
