"""The tables, as numbered SQL files that are applied once each, in order, in one transaction."""

from importlib import resources

from valetkey.errors import StoreError
from valetkey.store import Transaction


def _steps() -> list[tuple[int, str]]:
    files = [file for file in resources.files(__package__).iterdir() if file.name.endswith(".sql")]
    return sorted((int(file.name.split("_")[0]), file.read_text("utf-8")) for file in files)


async def migrate(tx: Transaction) -> None:
    """Bring the store's tables up to this program. Raises StoreError when the store is newer."""
    await tx.run("CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
    row = await tx.one("SELECT value FROM meta WHERE key = 'schema'")
    found, steps = int(row["value"]) if row else 0, _steps()
    if found > steps[-1][0]:
        newest = steps[-1][0]
        raise StoreError(
            f"this store is at schema {found}, this program knows {newest}; use a newer Valetkey"
        )
    for number, sql in steps:
        if number > found:
            await _apply(tx, number, sql)


async def _apply(tx: Transaction, number: int, sql: str) -> None:
    for statement in sql.split(";\n"):
        if statement.strip():
            await tx.run(statement)
    keep = "INSERT INTO meta VALUES ('schema', $1) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    await tx.run(keep, str(number))
