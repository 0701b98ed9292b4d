"""The generation beside the store: a file in VALETKEY_HOME, by which an older copy is noticed."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from valetkey.errors import StoreError
from valetkey.generation.rows import Generation

FILE = "generation"


@dataclass(frozen=True, slots=True)
class Known:
    """The newest generation of a store that this home has seen live."""

    store: str
    number: int
    id: str

    @classmethod
    def of(cls, generation: Generation) -> "Known":
        return cls(generation.store, generation.number, generation.id)


def read_known(home: Path) -> Known | None:
    """Read the file; None where there is none. Raises StoreError: it cannot be read or is no such file."""
    file = home / FILE
    try:
        said = json.loads(file.read_text("utf-8"))
        return Known(str(said["store"]), int(said["number"]), str(said["id"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        text = "this does not say which generation of the store is the live one"
        raise StoreError(f"{file}: {text}; put it back, or remove it if this is the only copy") from None


def write_known(home: Path, known: Known) -> None:
    """Put it in the place of what was there, mode 0600, whole or not at all. Raises StoreError."""
    file = home / FILE
    try:
        descriptor, draft = tempfile.mkstemp(prefix=".generation-", dir=home)
        try:
            with os.fdopen(descriptor, "w") as new:
                new.write(json.dumps(asdict(known)) + "\n")
                new.flush()
                os.fsync(new.fileno())
            Path(draft).replace(file)
        finally:
            Path(draft).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{file}: the generation cannot be written ({error.strerror})") from None
