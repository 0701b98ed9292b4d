"""Google Calendar: whose events a token shows, what guests see of them, and what cannot be."""

from typing import Any

import pytest

from tests.sandbox.visitor import Visitor, google
from tests.support.clock import START
from valetkey.model import DAY, HOUR
from valetkey.sandbox import Sandbox
from valetkey.sandbox.calendars import TEAM, rfc3339

CAL = "https://www.googleapis.com/auth/calendar"
BASE = "/calendar/v3"
EVENTS = BASE + "/calendars/primary/events"
NOON = {"start": {"dateTime": rfc3339(START + 12 * HOUR)}, "end": {"dateTime": rfc3339(START + 13 * HOUR)}}


async def connect(visitor: Visitor, account: str = "ana@example.com", scope: str = CAL) -> None:
    await visitor.connect(google(), account, scope=scope)


async def events(visitor: Visitor, path: str = EVENTS, **query: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await visitor.get(path, **query)).json()["items"]
    return items


async def summaries(visitor: Visitor, path: str = EVENTS, **query: Any) -> list[str]:
    return [event["summary"] for event in await events(visitor, path, **query)]


async def change(visitor: Visitor, id_: str, **body: Any) -> Any:
    return await visitor.http.patch(f"{EVENTS}/{id_}", json=body, headers=visitor.headers)


async def test_the_primary_calendar_is_the_tokens_owner(visitor: Visitor) -> None:
    for account in ("ana@example.com", "carol@example.com"):
        await connect(visitor, account)
        entry = (await visitor.get(BASE + "/users/me/calendarList/primary")).json()
        assert (entry["id"], entry["accessRole"], entry["primary"]) == (account, "owner", True)


async def test_events_come_in_order_and_are_their_owners(visitor: Visitor) -> None:
    await connect(visitor)
    assert await summaries(visitor, singleEvents="true", orderBy="startTime") == [
        "Ana and Ben: release notes",
        "Dentist",
        "Lunch with Ben",
        "Fabrikam visits Ana",
    ]
    await connect(visitor, "carol@example.com")
    assert "Dentist" not in await summaries(visitor)


async def test_a_span_and_words_narrow_a_list(visitor: Visitor) -> None:
    await connect(visitor)
    tomorrow, after = rfc3339(START + DAY), rfc3339(START + 2 * DAY)
    assert await summaries(visitor, timeMin=tomorrow, timeMax=after) == ["Dentist"]
    assert await summaries(visitor, q="noodle BEN") == ["Lunch with Ben"]


async def test_a_list_comes_in_pages(visitor: Visitor) -> None:
    await connect(visitor)
    first = (await visitor.get(EVENTS, maxResults=3)).json()
    second = (await visitor.get(EVENTS, maxResults=3, pageToken=first["nextPageToken"])).json()
    assert (len(first["items"]), len(second["items"]), "nextPageToken" in second) == (3, 1, False)


async def test_somebody_elses_calendar_is_not_there(visitor: Visitor) -> None:
    await connect(visitor)
    answer = await visitor.get(BASE + "/calendars/ben@example.com/events")
    assert (answer.status_code, answer.json()["error"]["errors"][0]["reason"]) == (404, "notFound")


async def test_a_team_calendar_is_written_by_writers_only(visitor: Visitor) -> None:
    path = f"{BASE}/calendars/{TEAM}/events"
    await connect(visitor, "carol@example.com")
    assert await summaries(visitor, path) == ["Release 2.4", "Offsite planning"]
    assert (await visitor.post(path, NOON)).status_code == 403
    await connect(visitor)
    assert (await visitor.post(path, NOON | {"summary": "Tea"})).status_code == 200
    assert "Tea" in await summaries(visitor, path)


async def test_an_invitation_stands_in_the_guests_calendar_and_is_told(
    visitor: Visitor, sandbox: Sandbox
) -> None:
    await connect(visitor)
    form = NOON | {"summary": "Tea", "attendees": [{"email": "carol@example.com"}]}
    made = (
        await visitor.http.post(EVENTS, params={"sendUpdates": "all"}, json=form, headers=visitor.headers)
    ).json()
    told = {"from": "ana@example.com", "to": ["carol@example.com"], "invited": "Tea"}
    assert sandbox.google.counters.posted == [told]
    await connect(visitor, "carol@example.com")
    seen = (await visitor.get(f"{EVENTS}/{made['id']}")).json()
    assert seen["organizer"] == {"email": "ana@example.com"}
    assert seen["attendees"] == [
        {"email": "carol@example.com", "self": True, "responseStatus": "needsAction"}
    ]


async def test_nobody_is_told_unless_it_is_asked_for(visitor: Visitor, sandbox: Sandbox) -> None:
    await connect(visitor)
    await visitor.post(EVENTS, NOON | {"attendees": [{"email": "carol@example.com"}]})
    assert sandbox.google.counters.posted == []


async def test_a_guest_answers_and_changes_nothing_else(visitor: Visitor) -> None:
    await connect(visitor)
    [event] = await events(visitor, q="release notes")
    guests = [
        {"email": "ana@example.com", "responseStatus": "accepted"},
        {"email": "ben@example.com", "responseStatus": "declined"},
    ]
    answered = (await change(visitor, event["id"], attendees=guests)).json()
    assert {guest["email"]: guest["responseStatus"] for guest in answered["attendees"]} == {
        "ben@example.com": "accepted",
        "ana@example.com": "accepted",
    }
    assert (await change(visitor, event["id"], summary="Mine now")).status_code == 403


async def test_the_organizer_changes_what_is_named_and_the_list_of_guests_whole(visitor: Visitor) -> None:
    await connect(visitor, "ben@example.com")
    [event] = await events(visitor, q="release notes")
    moved = (await change(visitor, event["id"], location="Porto room")).json()
    assert (moved["location"], moved["summary"], moved["start"]) == (
        "Porto room",
        event["summary"],
        event["start"],
    )
    alone = (await change(visitor, event["id"], attendees=[])).json()
    assert "attendees" not in alone


async def test_a_deleted_event_is_gone_for_all_and_twice_is_410(visitor: Visitor) -> None:
    await connect(visitor, "ben@example.com")
    [event] = await events(visitor, q="release notes")
    path = f"{EVENTS}/{event['id']}"
    assert (await visitor.http.delete(path, headers=visitor.headers)).status_code == 204
    assert (await visitor.http.delete(path, headers=visitor.headers)).status_code == 410
    assert (await visitor.get(path)).json()["status"] == "cancelled"
    await connect(visitor)
    assert await events(visitor, q="release notes") == []


async def test_a_guest_who_deletes_takes_it_out_of_their_own_calendar(visitor: Visitor) -> None:
    await connect(visitor)
    [event] = await events(visitor, q="release notes")
    assert (await visitor.http.delete(f"{EVENTS}/{event['id']}", headers=visitor.headers)).status_code == 204
    assert await events(visitor, q="release notes") == []
    await connect(visitor, "ben@example.com")
    assert len(await events(visitor, q="release notes")) == 1


@pytest.mark.parametrize(
    "form",
    [
        [],
        {},
        {"start": NOON["start"]},
        {"start": NOON["end"], "end": NOON["start"]},
        {"start": {"dateTime": "2026-11-24T10:00:00"}, "end": NOON["end"]},
        {"start": {"dateTime": "soon"}, "end": NOON["end"]},
        {"start": {"dateTime": "2026-11-24T10:00:00", "timeZone": "Nowhere/Land"}, "end": NOON["end"]},
        {"start": "noon", "end": "one"},
        NOON | {"attendees": [{"name": "Ben"}]},
        NOON | {"attendees": [{"email": "ben@example.com", "responseStatus": "maybe"}]},
    ],
)
async def test_an_event_that_cannot_be_is_refused_and_leaves_nothing(visitor: Visitor, form: Any) -> None:
    await connect(visitor)
    before = await summaries(visitor)
    assert (await visitor.post(EVENTS, form)).status_code == 400
    assert await summaries(visitor) == before


async def test_whole_days_and_zones_are_understood(visitor: Visitor) -> None:
    await connect(visitor)
    zone = {"timeZone": "Europe/Lisbon"}
    local = {
        "start": {"dateTime": "2024-10-05T10:00:00"} | zone,
        "end": {"dateTime": "2024-10-05T11:00:00"} | zone,
    }
    for form in (local, {"start": {"date": "2024-10-05"}, "end": {"date": "2024-10-06"}}):
        assert (await visitor.post(EVENTS, form)).json()["start"] == form["start"]


async def test_free_and_busy_says_when_and_not_what(visitor: Visitor) -> None:
    await connect(visitor, scope=CAL + ".freebusy")
    span = {"timeMin": rfc3339(START), "timeMax": rfc3339(START + DAY)}
    items = [{"id": name} for name in ("primary", "ben@example.com", "nobody@example.com")]
    answer = (await visitor.post(BASE + "/freeBusy", span | {"items": items})).json()["calendars"]
    taken = {"start": rfc3339(START + 10 * HOUR), "end": rfc3339(START + 10 * HOUR + HOUR // 2)}
    assert (answer["primary"], answer["ben@example.com"]) == ({"busy": [taken]}, {"busy": [taken]})
    assert answer["nobody@example.com"]["errors"] == [{"domain": "global", "reason": "notFound"}]
    assert (await visitor.post(BASE + "/freeBusy", {"timeMin": "now"})).status_code == 400


async def test_a_quick_event_takes_the_next_hour(visitor: Visitor) -> None:
    await connect(visitor)
    answer = await visitor.http.post(EVENTS + "/quickAdd", params={"text": "Tea"}, headers=visitor.headers)
    assert (answer.json()["summary"], answer.json()["start"]["dateTime"]) == ("Tea", rfc3339(START + HOUR))


@pytest.mark.parametrize("query", [{"orderBy": "startTime"}, {"timeMin": "today"}, {"maxResults": "0"}])
async def test_a_question_that_cannot_be_is_refused(visitor: Visitor, query: dict[str, str]) -> None:
    await connect(visitor)
    assert (await visitor.get(EVENTS, **query)).status_code == 400


@pytest.mark.parametrize(
    ("scope", "list_", "read", "write"),
    [
        (".events.readonly", 403, 200, 403),
        (".events", 403, 200, 200),
        (".calendarlist.readonly", 200, 403, 403),
        (".readonly", 200, 200, 403),
        ("", 200, 200, 200),
    ],
)
async def test_scopes_decide(visitor: Visitor, scope: str, list_: int, read: int, write: int) -> None:
    await connect(visitor, scope=CAL + scope)
    answers = [
        await visitor.get(BASE + "/users/me/calendarList"),
        await visitor.get(EVENTS),
        await visitor.post(EVENTS, NOON),
    ]
    assert [answer.status_code for answer in answers] == [list_, read, write]
    for answer in answers:
        if answer.status_code == 403:
            assert answer.json()["error"]["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
