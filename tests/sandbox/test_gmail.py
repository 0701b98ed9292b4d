"""The Gmail API: whose mail a token shows, what its scopes allow, and Google's shapes."""

import base64
from email.message import EmailMessage
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.sandbox.visitor import MAIL, MODIFY, READ, SEND, Visitor, google
from tests.support.clock import FakeClock
from valetkey.sandbox import Sandbox
from valetkey.sandbox.mailbox import Mailboxes

BASE = "/gmail/v1/users/me"
MESSAGES = BASE + "/messages"


async def connect(visitor: Visitor, account: str = "ana@example.com", scope: str = f"{READ} {SEND}") -> None:
    await visitor.connect(google(), account, scope=scope)


async def messages(visitor: Visitor, **query: Any) -> list[dict[str, Any]]:
    """List, then get each message whole."""
    page = (await visitor.get(MESSAGES, **query)).json()
    return [(await visitor.get(f"{MESSAGES}/{listed['id']}")).json() for listed in page.get("messages", [])]


def header(message: dict[str, Any], name: str) -> str | None:
    return next((h["value"] for h in message["payload"]["headers"] if h["name"] == name), None)


def written(to: str, subject: str = "Hello", text: str = "A letter") -> str:
    mail = EmailMessage()
    mail["To"], mail["Subject"] = to, subject
    mail.set_content(text)
    return base64.urlsafe_b64encode(mail.as_bytes()).decode()


async def test_the_profile_is_the_tokens_owner(visitor: Visitor) -> None:
    for account in ("ana@example.com", "ben@example.com"):
        await connect(visitor, account)
        assert (await visitor.get(BASE + "/profile")).json()["emailAddress"] == account


async def test_ana_has_at_least_six_unread_letters_from_ben(visitor: Visitor) -> None:
    await connect(visitor)
    found = await messages(visitor, labelIds=["INBOX", "UNREAD"], q="from:ben@example.com")
    assert len(found) >= 6
    assert all(header(message, "From") == "Ben Brandt <ben@example.com>" for message in found)


async def test_nobody_sees_a_letter_of_somebody_else(visitor: Visitor) -> None:
    seen = {}
    for account in ("ana@example.com", "ben@example.com", "carol@example.com"):
        await connect(visitor, account)
        found = await messages(visitor)
        assert {header(message, "To") for message in found} == {account}
        seen[account] = {message["id"] for message in found}
    assert not seen["ana@example.com"] & seen["ben@example.com"]
    foreign = await visitor.get(f"{MESSAGES}/{min(seen['ana@example.com'])}")
    assert (foreign.status_code, foreign.json()["error"]["status"]) == (404, "NOT_FOUND")


async def test_a_list_holds_ids_only_newest_first_and_comes_in_pages(visitor: Visitor) -> None:
    await connect(visitor)
    whole = (await visitor.get(MESSAGES)).json()["messages"]
    assert all(set(listed) == {"id", "threadId"} for listed in whole)
    paged, token = [], "0"
    while token:
        page = (await visitor.get(MESSAGES, maxResults=5, pageToken=token)).json()
        paged += page["messages"]
        token = page.get("nextPageToken", "")
    assert paged == whole
    dates = [int(message["internalDate"]) for message in await messages(visitor)]
    assert dates == sorted(dates, reverse=True)


async def test_a_list_that_finds_nothing_has_no_messages(visitor: Visitor) -> None:
    await connect(visitor)
    assert (await visitor.get(MESSAGES, q="from:nobody")).json() == {"resultSizeEstimate": 0}


@pytest.mark.parametrize(
    "query", [{"maxResults": "many"}, {"maxResults": "0"}, {"pageToken": "-1"}, {"pageToken": "²"}]
)
async def test_a_bad_number_is_an_invalid_argument(visitor: Visitor, query: dict[str, str]) -> None:
    await connect(visitor)
    answer = await visitor.get(MESSAGES, **query)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


async def test_a_message_comes_in_the_formats_gmail_has(visitor: Visitor) -> None:
    await connect(visitor)
    path = f"{MESSAGES}/{(await visitor.get(MESSAGES, q='subject:lunch')).json()['messages'][0]['id']}"
    whole = (await visitor.get(path)).json()
    assert base64.urlsafe_b64decode(whole["payload"]["body"]["data"]).startswith(b"Hi Ana,")
    assert "payload" not in (await visitor.get(path, format="minimal")).json()
    assert b"Lunch on" in base64.urlsafe_b64decode((await visitor.get(path, format="raw")).json()["raw"])
    some = (await visitor.get(path, format="metadata", metadataHeaders=["From", "subject"])).json()
    assert [h["name"] for h in some["payload"]["headers"]] == ["From", "Subject"]
    assert "body" not in some["payload"]
    assert (await visitor.get(path, format="everything")).status_code == 400


async def test_sent_mail_is_in_sent_and_in_the_recipients_inbox(visitor: Visitor, sandbox: Sandbox) -> None:
    await connect(visitor)
    sent = (
        await visitor.post(
            MESSAGES + "/send", {"raw": written("Ben <ben@example.com>", "Tickets, Ana to Ben")}
        )
    ).json()
    assert sent["labelIds"] == ["SENT"]
    assert [message["id"] for message in await messages(visitor, q="in:sent")] == [sent["id"]]
    await connect(visitor, "ben@example.com")
    (received,) = await messages(visitor, q='in:inbox is:unread subject:"ana to ben"')
    assert header(received, "From") == "Ana Almeida <ana@example.com>"
    assert sandbox.google.counters.posted[0]["subject"] == "Tickets, Ana to Ben"


async def test_mail_comes_from_the_tokens_owner_whatever_it_says(visitor: Visitor) -> None:
    await connect(visitor)
    mail = base64.urlsafe_b64encode(b"From: ben@example.com\r\nTo: carol@example.com\r\n\r\nhi").decode()
    await visitor.post(MESSAGES + "/send", {"raw": mail.rstrip("=")})
    await connect(visitor, "carol@example.com")
    (received,) = await messages(visitor, q="hi from:ana")
    assert header(received, "From") == "Ana Almeida <ana@example.com>"


async def test_a_blind_copy_arrives_and_is_not_shown(visitor: Visitor) -> None:
    await connect(visitor)
    raw = base64.urlsafe_b64encode(
        b"To: x@y.example\r\nBcc: ben@example.com\r\nSubject: blind\r\n\r\nhi"
    ).decode()
    await visitor.post(MESSAGES + "/send", {"raw": raw})
    await connect(visitor, "ben@example.com")
    (received,) = await messages(visitor, q="subject:blind")
    assert header(received, "Bcc") is None


async def test_a_message_with_parts_shows_them(visitor: Visitor) -> None:
    await connect(visitor)
    mail = EmailMessage()
    mail["To"], mail["Subject"] = "carol@example.com", "Parts"
    mail.set_content("plain words")
    mail.add_alternative("<b>html</b>", subtype="html")
    mail.add_attachment(b"\x00\x01", maintype="application", subtype="x-test", filename="a.bin")
    raw = base64.urlsafe_b64encode(mail.as_bytes()).decode()
    sent = (await visitor.post(MESSAGES + "/send", {"raw": raw})).json()
    payload = (await visitor.get(f"{MESSAGES}/{sent['id']}")).json()["payload"]
    assert [part["mimeType"] for part in payload["parts"]] == ["multipart/alternative", "application/x-test"]
    assert [part["partId"] for part in payload["parts"][0]["parts"]] == ["0.0", "0.1"]
    assert payload["parts"][1]["filename"] == "a.bin"


@pytest.mark.parametrize(
    "body",
    [{}, {"raw": "a"}, {"raw": "VG86IG5vYm9keQ=="}, {"raw": None}, [], "text"],
    ids=["empty", "not base64", "no recipient", "null", "list", "string"],
)
async def test_what_is_no_message_is_an_invalid_argument(visitor: Visitor, body: Any) -> None:
    await connect(visitor)
    answer = await visitor.post(MESSAGES + "/send", body)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


@given(st.binary(max_size=200), st.sampled_from([b"", b"To: ben@example.com\r\n"]))
@settings(max_examples=200, suppress_health_check=[HealthCheck.differing_executors])
def test_no_bytes_break_a_mailbox(raw: bytes, head: bytes) -> None:
    mailboxes = Mailboxes(FakeClock())
    try:
        mail = mailboxes.send("ana@example.com", head + raw)
    except (ValueError, LookupError):
        return
    assert mailboxes.of("ana@example.com")[0] is mail


async def test_archiving_and_reading_change_labels(visitor: Visitor) -> None:
    await connect(visitor, scope=MODIFY)
    listed = (await visitor.get(MESSAGES, labelIds=["INBOX", "UNREAD"])).json()["messages"][0]
    change = {"removeLabelIds": ["INBOX", "UNREAD"], "addLabelIds": ["STARRED"]}
    changed = (await visitor.post(f"{MESSAGES}/{listed['id']}/modify", change)).json()
    assert changed["labelIds"] == ["STARRED"]
    left = (await visitor.get(MESSAGES, labelIds="INBOX")).json()["messages"]
    assert listed not in left


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        (SEND, "GET", "/messages", 403),
        (SEND, "GET", "/messages/x", 403),
        (SEND, "GET", "/profile", 403),
        (READ, "POST", "/messages/send", 403),
        (READ, "POST", "/messages/x/modify", 403),
        (SEND, "POST", "/messages/x/modify", 403),
        ("openid", "GET", "/profile", 403),
        (MAIL + "labels", "GET", "/messages", 403),
        (MODIFY, "GET", "/messages", 200),
        ("https://mail.google.com/", "GET", "/messages", 200),
        (MAIL + "metadata", "GET", "/messages", 200),
        (MAIL + "compose", "GET", "/profile", 200),
    ],
)
async def test_a_token_does_only_what_its_scopes_say(
    visitor: Visitor, scope: str, method: str, path: str, status: int
) -> None:
    await connect(visitor, scope=scope)
    answer = await visitor.http.request(method, BASE + path, headers=visitor.headers)
    assert answer.status_code == status
    if status == 403:
        (detail,) = answer.json()["error"]["details"]
        assert detail["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


async def test_the_metadata_scope_takes_the_query_away(visitor: Visitor) -> None:
    await connect(visitor, scope=f"{READ} {MAIL}metadata")
    listed = (await visitor.get(MESSAGES)).json()["messages"][0]
    assert (await visitor.get(MESSAGES, q="lunch")).status_code == 403
    assert (await visitor.get(f"{MESSAGES}/{listed['id']}")).status_code == 403
    assert (await visitor.get(f"{MESSAGES}/{listed['id']}", format="metadata")).status_code == 200


async def test_only_ones_own_address_may_stand_for_me(visitor: Visitor) -> None:
    await connect(visitor)
    assert (await visitor.get("/gmail/v1/users/ana@example.com/profile")).status_code == 200
    assert (await visitor.get("/gmail/v1/users/ben@example.com/profile")).status_code == 403


@pytest.mark.parametrize("header", [None, "Bearer wrong", "Basic abc", "Bearer", "bearer"])
async def test_no_token_or_a_wrong_one_is_unauthenticated(visitor: Visitor, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    answer = await visitor.http.get(BASE + "/profile", headers=headers)
    assert (answer.status_code, answer.json()["error"]["status"]) == (401, "UNAUTHENTICATED")
    assert answer.headers["www-authenticate"].startswith("Bearer ")


async def test_a_token_in_the_query_is_not_looked_at(visitor: Visitor) -> None:
    tokens = await visitor.connect(google(), "ana@example.com")
    answer = await visitor.http.get(BASE + "/profile", params={"access_token": tokens["access_token"]})
    assert answer.status_code == 401


async def test_an_expired_token_says_so(visitor: Visitor, sandbox: Sandbox) -> None:
    await connect(visitor)
    assert sandbox.google.expire("ana@example.com") == 1
    error = (await visitor.get(BASE + "/profile")).json()["error"]
    assert error["details"][0]["reason"] == "ACCESS_TOKEN_EXPIRED"


async def test_a_thread_holds_its_messages_oldest_first(visitor: Visitor) -> None:
    await connect(visitor)
    first = (await visitor.post(MESSAGES + "/send", {"raw": written("ben@example.com", "One")})).json()
    reply = {"raw": written("ben@example.com", "Two"), "threadId": first["threadId"]}
    await visitor.post(MESSAGES + "/send", reply)
    thread = (await visitor.get(f"{BASE}/threads/{first['threadId']}")).json()
    assert [header(message, "Subject") for message in thread["messages"]] == ["One", "Two"]
    assert (await visitor.get(BASE + "/threads/nowhere")).status_code == 404


async def test_trash_leaves_the_inbox_and_every_list_but_its_own(visitor: Visitor) -> None:
    await connect(visitor, scope=MODIFY)
    id_ = (await visitor.get(MESSAGES, maxResults=1)).json()["messages"][0]["id"]
    assert "TRASH" in (await visitor.post(f"{MESSAGES}/{id_}/trash", {})).json()["labelIds"]
    listed = {mail["id"] for mail in (await visitor.get(MESSAGES)).json()["messages"]}
    trash = {mail["id"] for mail in (await visitor.get(MESSAGES, q="in:trash")).json()["messages"]}
    assert (id_ in listed, trash) == (False, {id_})
    labels = (await visitor.post(f"{MESSAGES}/{id_}/untrash", {})).json()["labelIds"]
    assert ("TRASH" in labels, "INBOX" in labels) == (False, False)


async def test_a_draft_is_kept_and_not_sent(visitor: Visitor, sandbox: Sandbox) -> None:
    await connect(visitor, scope=MAIL + "compose")
    draft = (await visitor.post(BASE + "/drafts", {"message": {"raw": written("ben@example.com")}})).json()
    assert draft["message"]["labelIds"] == ["DRAFT"]
    assert not any("A letter" in mail.text for mail in sandbox.mailboxes.of("ben@example.com"))
    assert (await visitor.post(BASE + "/drafts", {"raw": "eA"})).status_code == 400


async def test_labels_are_listed_and_no_others_can_be_put_on(visitor: Visitor) -> None:
    await connect(visitor, scope=MODIFY)
    labels = {label["id"] for label in (await visitor.get(BASE + "/labels")).json()["labels"]}
    assert {"INBOX", "STARRED", "TRASH"} <= labels
    id_ = (await visitor.get(MESSAGES, maxResults=1)).json()["messages"][0]["id"]
    answer = await visitor.post(f"{MESSAGES}/{id_}/modify", {"addLabelIds": ["NOWHERE"]})
    assert answer.status_code == 400
