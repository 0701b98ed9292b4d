"""GitHub's API: who sees which repository, pages by Link header, and GitHub's ways of refusing."""

import base64
from typing import Any

import pytest

from tests.sandbox.visitor import Visitor, github
from valetkey.sandbox import Sandbox

VAULT = "/repos/sandbox-team/vault"


@pytest.fixture(autouse=True)
async def connected(visitor: Visitor) -> None:
    visitor.http.headers["Accept"] = "application/json"
    await connect(visitor, "ana@example.com")


async def connect(visitor: Visitor, account: str, **changed: str) -> None:
    await visitor.connect(github(), account, **changed)


async def get(visitor: Visitor, path: str, **query: Any) -> Any:
    answer = await visitor.get(path, **query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def change(visitor: Visitor, path: str, **body: Any) -> Any:
    return await visitor.http.patch(path, json=body, headers=visitor.headers)


async def names(visitor: Visitor) -> list[str]:
    return [repo["full_name"] for repo in await get(visitor, "/user/repos")]


async def test_the_user_is_the_tokens_owner(visitor: Visitor) -> None:
    ana = await get(visitor, "/user")
    await connect(visitor, "ben@example.com")
    ben = await get(visitor, "/user")
    assert (ana["login"], ben["login"], ana["id"] == ben["id"]) == ("ana", "ben", False)


async def test_everybody_lists_their_own_repositories(visitor: Visitor) -> None:
    assert await names(visitor) == ["sandbox-team/vault", "ana/notes"]
    await connect(visitor, "ben@example.com")
    assert await names(visitor) == ["sandbox-team/vault", "ben/wall"]


async def test_what_somebody_may_not_see_is_not_there(visitor: Visitor) -> None:
    await connect(visitor, "carol@example.com")
    refused = await visitor.get("/repos/ana/notes/issues")
    missing = await visitor.get("/repos/ana/nothing/issues")
    assert (refused.status_code, refused.json()) == (missing.status_code, missing.json())
    assert refused.json()["message"] == "Not Found"
    assert len(await get(visitor, "/repos/ben/wall/issues")) == 1, "a public one is everybody's"


async def test_a_list_is_followed_by_its_link_header(visitor: Visitor) -> None:
    answer = await visitor.get(VAULT + "/issues", per_page=3)
    link = f"https://api.github.com{VAULT}/issues?per_page=3&page=2"
    assert answer.headers["link"] == f'<{link}>; rel="next"'
    last = await visitor.get(VAULT + "/issues", per_page=3, page=2)
    assert [issue["number"] for issue in answer.json() + last.json()] == [4, 3, 2, 1]
    assert "link" not in last.headers


async def test_a_link_can_be_made_to_lead_elsewhere(visitor: Visitor, sandbox: Sandbox) -> None:
    sandbox.github.change(next_links_to="https://elsewhere.example")
    answer = await visitor.get(VAULT + "/issues", per_page=1)
    assert answer.headers["link"].startswith("<https://elsewhere.example/")


async def test_pull_requests_are_among_the_issues_and_alone_in_their_own_list(visitor: Visitor) -> None:
    issues = await get(visitor, VAULT + "/issues")
    assert [issue["number"] for issue in issues if "pull_request" in issue] == [3]
    pulls = await get(visitor, VAULT + "/pulls")
    assert [(pull["number"], pull["head"]["ref"], pull["base"]["ref"]) for pull in pulls] == [
        (3, "lease", "main")
    ]
    assert (await get(visitor, VAULT + "/pulls/3"))["mergeable"] is True
    assert (await visitor.get(VAULT + "/pulls/1")).status_code == 404


async def test_an_issue_is_opened_commented_closed_and_listed_by_its_state(
    visitor: Visitor, sandbox: Sandbox
) -> None:
    opened = await visitor.post(VAULT + "/issues", {"title": "Alarm", "labels": ["bug"]})
    assert (opened.status_code, opened.json()["number"], opened.json()["user"]["login"]) == (201, 5, "ana")
    said = await visitor.post(VAULT + "/issues/5/comments", {"body": "It rings."})
    assert (said.status_code, said.json()["body"]) == (201, "It rings.")
    assert [c["body"] for c in await get(visitor, VAULT + "/issues/5/comments")] == ["It rings."]
    closed = await change(visitor, VAULT + "/issues/5", state="closed", state_reason="not_planned")
    assert (closed.json()["state"], closed.json()["state_reason"]) == ("closed", "not_planned")
    assert [issue["number"] for issue in await get(visitor, VAULT + "/issues", state="closed")] == [5]
    assert [said["number"] for said in sandbox.github.counters.posted] == [5, 5]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/issues", {}, 422),
        ("/issues", {"title": ""}, 422),
        ("/issues", {"title": "x", "labels": [1]}, 422),
        ("/issues", [], 400),
        ("/issues/1/comments", {"body": ""}, 422),
        ("/issues/99/comments", {"body": "x"}, 404),
    ],
)
async def test_what_cannot_be_is_refused_in_words(
    visitor: Visitor, path: str, body: Any, status: int
) -> None:
    answer = await visitor.post(VAULT + path, body)
    assert (answer.status_code, answer.json()["status"]) == (status, str(status))
    assert {"message", "documentation_url"} <= set(answer.json())


async def test_only_members_change_an_issue(visitor: Visitor) -> None:
    assert (await change(visitor, "/repos/ben/wall/issues/1", state="closed")).status_code == 403
    bad = await change(visitor, VAULT + "/issues/1", state="gone")
    assert bad.json()["errors"] == [{"resource": "Issue", "field": "state", "code": "invalid"}]


async def test_files_are_listed_and_read_by_their_id(visitor: Visitor) -> None:
    whole = await get(visitor, VAULT + "/git/trees/HEAD", recursive="1")
    ids = {entry["path"]: entry["sha"] for entry in whole["tree"]}
    assert set(ids) == {"README.md", "src/vault/seal.py", "docs/keys.md"}
    blob = await get(visitor, f"{VAULT}/git/blobs/{ids['src/vault/seal.py']}")
    assert b"def seal" in base64.b64decode(blob["content"])
    top = await get(visitor, VAULT + "/git/trees/main")
    assert [entry["type"] for entry in top["tree"]] == ["blob", "tree", "tree"]
    for missing in ("/git/trees/nowhere", "/git/blobs/" + "0" * 40):
        assert (await visitor.get(VAULT + missing)).status_code == 404


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ("repo:sandbox-team/vault is:pr", [3]),
        ("is:issue label:bug author:ben", [1]),
        ("northwind invoices", [4]),
        ("state:closed", []),
    ],
)
async def test_a_search_finds_what_fits_every_word(visitor: Visitor, query: str, numbers: list[int]) -> None:
    found = await get(visitor, "/search/issues", q=query)
    assert ([item["number"] for item in found["items"]], found["total_count"]) == (numbers, len(numbers))


async def test_a_search_shows_nobody_what_they_may_not_see(visitor: Visitor) -> None:
    await connect(visitor, "carol@example.com")
    found = await get(visitor, "/search/issues", q="ana")
    assert not any("ana/notes" in item["repository_url"] for item in found["items"])
    assert (await visitor.get("/search/issues")).status_code == 422


async def test_notifications_are_about_what_others_did(visitor: Visitor) -> None:
    threads = await get(visitor, "/notifications", per_page=50)
    assert [thread["subject"]["title"] for thread in threads] == [
        "Refresh tokens are renewed twice",
        "Northwind cannot export invoices",
    ]


async def test_a_missing_scope_is_said_for_notifications_and_hidden_elsewhere(
    visitor: Visitor, sandbox: Sandbox
) -> None:
    await connect(visitor, "ana@example.com", scope="read:user")
    said, hidden = await visitor.get("/notifications"), await visitor.get("/user/repos")
    assert (said.status_code, said.json()["message"]) == (403, "Missing the 'notifications' scope.")
    assert hidden.status_code == 404
    assert sandbox.github.counters.api_refused == {"scope": 2}


async def test_a_client_without_a_name_is_turned_away(visitor: Visitor) -> None:
    answer = await visitor.http.get("/user", headers={**visitor.headers, "User-Agent": ""})
    assert answer.status_code == 403


async def test_a_dead_token_is_bad_credentials(visitor: Visitor, sandbox: Sandbox) -> None:
    sandbox.github.revoke("ana@example.com")
    answer = await visitor.get("/user")
    assert (answer.status_code, answer.json()["message"]) == (401, "Bad credentials")


async def test_too_many_requests_are_told_in_githubs_words(visitor: Visitor, sandbox: Sandbox) -> None:
    sandbox.github.faults.set("api", "too_many", times=1, retry_after=60)
    answer = await visitor.get("/user")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "60")
    assert "rate limit" in answer.json()["message"]
