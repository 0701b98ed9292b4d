"""What the operator is told: the survey's lines that need somebody, once each, until they change.

What is urgent goes out at once; all else waits for one summary a day.
"""

from valetkey.notices.outbox import Outbox
from valetkey.notices.survey import Survey
from valetkey.store import Store

KIND = "operator."


class Summary:
    """Puts the survey's lines into the outbox. Without a way to the operator it does nothing."""

    def __init__(self, store: Store, survey: Survey, outbox: Outbox, *, carried: bool) -> None:
        self._store, self._survey, self._outbox, self._carried = store, survey, outbox, carried

    async def look(self) -> None:
        """Look how things stand; what is not so any more may be told again when it comes back."""
        if not self._carried:
            return
        lines = await self._survey.lines()
        async with self._store.transaction() as tx:
            for about in dict.fromkeys(line.about for line in lines):
                needed = [line for line in lines if line.about == about and line.needs_somebody]
                await self._outbox.keep(tx, KIND + about, [line.which for line in needed])
                for line in needed:
                    facts = {
                        "text": f"{about}: {line.text}.",
                        "to_do": line.to_do and f"To do: {line.to_do}.",
                    }
                    await self._outbox.add(tx, KIND + about, line.which, None, facts, urgent=line.urgent)
