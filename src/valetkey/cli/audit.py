"""`valetkey audit`: reading the record, proving it whole, and taking it elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from valetkey.cli.house import Names, in_house, names
from valetkey.cli.output import AsJson, dump, listed, say, since, tell, text, when
from valetkey.errors import UsageError
from valetkey.model import Json, Outcome

if TYPE_CHECKING:
    from valetkey.assemble import House
    from valetkey.audit.head import Head
    from valetkey.audit.read import AuditRecord
    from valetkey.audit.walk import Verification

app = typer.Typer(name="audit", help="The record of everything that was done.", no_args_is_help=True)

Anchor = Annotated[
    Path | None,
    typer.Option(
        "--anchor",
        help="A file with a head that was noted before; the chain has to contain it.",
        show_default=False,
    ),
]


@app.command("list")
def list_(
    principal: Annotated[str | None, typer.Option(help="Only about this person.", show_default=False)] = None,
    actor: Annotated[str | None, typer.Option(help="Only by this agent.", show_default=False)] = None,
    tool: Annotated[str | None, typer.Option(help="A tool, or `gmail.*`.", show_default=False)] = None,
    outcome: Annotated[
        Outcome | None, typer.Option(metavar="OUTCOME", help="How a call ended.", show_default=False)
    ] = None,
    start: Annotated[
        str | None, typer.Option("--since", help="90m, 24h, 7d, or a date or time.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 50,
    *,
    as_json: AsJson = False,
) -> None:
    """Show what was done, by whom, for whom. Newest first.

    A call is one line, however often its client came back for it.

    Example:
      valetkey audit list --principal ana --tool 'gmail.*' --since 24h

    Then:
      valetkey audit verify
    """
    from_then = None if start is None else since(start)
    show = _whole if as_json else _row

    async def reading(house: "House") -> tuple[list[dict[str, Json]], bool]:
        from valetkey.audit.read import search

        store, known = house.ground.store, await names(house)
        found = await search(
            store,
            house.ground.vault,
            principal=(await house.accounts.named(store, principal)).principal if principal else None,
            actor=_agent(known, actor),
            tool=tool,
            outcome=outcome,
            since=from_then,
            limit=limit,
        )
        return [show(record, known) for record in found.records], found.whole

    columns = {"at": when, "who": text, "for": text, "what": text, "outcome": text, "ms": text}
    rows, whole = in_house(reading)
    empty = "Nothing that fits was recorded." if whole else "Nothing that fits was found."
    listed(rows, columns, as_json=as_json, empty=empty)
    if not whole:
        tell("Only the newest records were looked at; --principal and --actor go further back.")


@app.command()
def verify(noted: Anchor = None, *, as_json: AsJson = False) -> None:
    """Check that the record is whole.

    That is every hash, every signature, the head outside the store, and what is
    sealed. It exits with 1 if something does not fit, and names the event. The
    head that it prints, noted where this machine cannot reach it, is an anchor.

    Example:
      valetkey audit verify --anchor last-month.txt

    Then:
      valetkey audit export audit.jsonl
    """
    known = anchor(noted)

    async def verifying(house: "House") -> "Verification":
        from valetkey.assemble import head_file
        from valetkey.audit.verify import verify as verify_store

        ground = house.ground
        return await verify_store(
            ground.store, ground.keys, head_file=head_file(ground.settings), anchor=known
        )

    _report(in_house(verifying), as_json=as_json)


@app.command()
def export(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A new file; - for stdout.")] = "-",
    *,
    with_personal: Annotated[
        bool, typer.Option("--with-personal", metavar="", help="With what people can be recognised by.")
    ] = False,
) -> None:
    """Write the whole record as JSON Lines that prove themselves.

    Example:
      valetkey audit export audit.jsonl

    Then:
      valetkey audit verify-export audit.jsonl      on any machine
    """
    from valetkey.cli.exporting import exported

    count = in_house(lambda house: exported(house, file, personal=with_personal))
    typer.echo(f"{count} events, up to a head that was just signed.", err=True)


@app.command("verify-export")
def verify_export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `valetkey audit export` wrote.")],
    noted: Anchor = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Check an export with nothing but the file.

    It exits with 1 if the export is not whole. Compare the printed key with the
    one that the operator published: an export brings its own.

    Example:
      valetkey audit verify-export audit.jsonl
    """
    from valetkey.audit.export import verify_export as verify_lines

    known = anchor(noted)
    try:
        with file.open(encoding="utf-8", errors="surrogateescape") as lines:
            result = verify_lines(lines, anchor=known)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read ({error.strerror})") from None
    _report(result, as_json=as_json)


def _agent(known: Names, name: str | None) -> str | None:
    """The id of a named agent. Raises UsageError."""
    if name is None:
        return None
    found = next((client for client, agent in known.agents.items() if agent == name), None)
    if found is None:
        raise UsageError(
            f"no agent named `{name}` was ever here; there are: {', '.join(known.agents.values())}"
        )
    return found


def _row(record: "AuditRecord", known: Names) -> dict[str, Json]:
    """One line: `who` did it, `for` whom."""
    doers = {
        "agent": _agent_of(record, known),
        "person": _person_of(record, known),
        "operator": _operator(record),
    }
    return {
        "at": record.at,
        "who": doers.get(record.by) or record.by,
        "for": _person_of(record, known),
        "what": record.tool if record.kind == "call" else record.kind,
        "outcome": record.outcome,
        "ms": record.duration,
    }


def _whole(record: "AuditRecord", known: Names) -> dict[str, Json]:
    """Everything that was recorded, and the names that its ids have now."""
    return {
        **record.as_json(),
        "principal_name": _person_of(record, known),
        "actor_name": _agent_of(record, known),
    }


def _person_of(record: "AuditRecord", known: Names) -> str | None:
    return known.people.get(record.principal) if record.principal else None


def _agent_of(record: "AuditRecord", known: Names) -> str | None:
    return known.agent(record.actor.client) if record.actor else None


def _operator(record: "AuditRecord") -> str:
    account = record.details.get("operator") or (record.principal.subject if record.principal else "")
    return f"operator {account}"


def anchor(file: Path | None) -> "Head | None":
    """Read an anchor: `<number>:<hash>`, or a copy of audit-head.json. Raises UsageError, IntegrityError."""
    from valetkey.audit.head import Head, read_head

    if file is None:
        return None
    try:
        noted = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError):
        wanted = (
            "a file that holds `<number>:<hash>`, as `valetkey audit verify` prints it, or audit-head.json"
        )
        raise UsageError(f"{file}: the anchor cannot be read; it is {wanted}") from None
    signed = read_head(file) if noted.startswith("{") else None
    return signed.head if signed else Head.parse(noted)


def _report(result: "Verification", *, as_json: bool) -> None:
    if as_json:
        dump(result.as_json())
    else:
        say("\n".join(_sentences(result)))
    if not result.ok:
        raise typer.Exit(1)


def _sentences(result: "Verification") -> list[str]:
    for_each = [f"event {one.seq}: {one.text}" if one.seq else one.text for one in result.findings]
    notes = [f"note, event {note.seq}: {note.text}" for note in result.notes]
    signed = [f"signed by {kid} {public}" for kid, public in result.signed_by.items()]
    verdict = "The record is whole." if result.ok else f"THE RECORD IS NOT WHOLE: {len(for_each)} findings."
    counts = (
        f"{result.events} events, {result.checkpoints} signed heads, {result.unsigned} events since, "
        f"{result.records} sealed records and {result.rows} rows compared, "
        f"{result.withheld} personal parts withheld."
    )
    return [*for_each, verdict, *notes, counts, f"head {result.head}", *signed]
