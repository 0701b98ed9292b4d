"""The same on PostgreSQL: everything that this room asks of a store, once."""

from pathlib import Path

from tests.notices.conftest import ANA, MAIL, OPERATOR, settled
from tests.support.database import database
from valetkey.model import DAY, HOUR


async def test_people_and_operator_are_told_once(tmp_path: Path) -> None:
    async with database() as url, settled(tmp_path, MAIL, url) as here:
        expiring = await here.connection(here.ana, "slack")
        async with here.house.ground.store.transaction() as tx:
            end = here.clock.now() + 10 * DAY
            sql = "UPDATE token_sets SET ends_at = $1, failing = $2 WHERE id = $3"
            await tx.run(sql, end, here.clock.now(), expiring.token_set)
        await here.ends(await here.connection(here.ana))
        for _ in range(3):
            await here.minute()
            here.clock.advance(HOUR)
        assert [str(one["Subject"]) for one in here.box.to(ANA)] == ["Valetkey: 2 things need you"]
        (summary,) = here.box.to(OPERATOR)
        for about in ("connections:", "expiry:", "refresh:"):
            assert about in summary.get_content()
        assert await here.house.notices.addresses.remove(here.ana.principal)
        assert {line.level for line in await here.house.notices.survey.lines()} >= {"ok", "warn"}
