"""Other issuers on the command line: what is shown, the secret's way in, and what a look there finds."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread
import pytest

from tests.cli.conftest import Cli
from tests.support.clock import FakeClock
from valetkey.sandbox import Sandbox, hosts, running
from valetkey.settings import FILE, load

CORP = """
[issuers.corp]
url = "https://corp.example/acme"
[issuers.corp.sign_in]
client_id = "pages"
[issuers.corp.introspection]
client_id = "asking"
"""


@pytest.fixture
def trusting(cli: Cli, home: Path) -> Cli:
    load(home)
    (home / FILE).write_text(CORP)
    return cli


def test_a_list_says_what_each_is_for_and_what_to_register_there(trusting: Cli) -> None:
    (corp,) = trusting("issuers", "list", "--json").json
    assert corp == {
        "name": "corp",
        "url": "https://corp.example/acme",
        "audience": "http://localhost:8917/mcp",
        "uses": ["access tokens", "introspection", "sign-in"],
        "redirect_uri": "http://localhost:8917/signin/corp/callback",
    }
    assert "corp" in trusting("issuers", "list").out


def test_without_any_a_list_says_how_one_is_added(cli: Cli) -> None:
    assert "[issuers.NAME]" in cli("issuers", "list").err


def test_a_secret_is_sealed_for_one_client_and_never_shown(trusting: Cli) -> None:
    ran = trusting("issuers", "secret", "corp", "--client-id", "asking", "--stdin", stdin="canary\n")
    assert ran.code == 0
    shown = trusting("issuers", "show", "corp", "--json")
    assert shown.json["secrets_sealed_for"] == ["asking"]
    everything = ran.out + ran.err + shown.out + trusting("issuers", "show", "corp").out
    assert "canary" not in everything
    (event,) = [one for one in trusting("audit", "list", "--json").json if one["kind"] == "issuer.secret_set"]
    assert "canary" not in str(event)


@pytest.mark.parametrize(
    ("arguments", "stdin", "answer"),
    [
        (("secret", "corp", "--stdin"), "x", "pages or asking"),
        (("secret", "corp", "--client-id", "other", "--stdin"), "x", "names no client other"),
        (("secret", "corp", "--client-id", "pages", "--stdin"), "\n", "no secret to read"),
        (("secret", "corp", "--client-id", "pages"), "x", "--stdin"),
        (("secret", "nobody", "--stdin"), "x", "no issuer `nobody`"),
        (("show", "nobody"), "", "no issuer `nobody`"),
        (("check", "nobody"), "", "no issuer `nobody`"),
    ],
)
def test_what_cannot_be_is_said(trusting: Cli, arguments: tuple[str, ...], stdin: str, answer: str) -> None:
    ran = trusting("issuers", *arguments, stdin=stdin)
    assert ran.code == 1
    assert answer in ran.err


def test_the_doctor_misses_a_secret_without_which_no_token_counts(trusting: Cli) -> None:
    def issuer() -> dict[str, str]:
        (found,) = [one for one in trusting("doctor", "--json").json if one["about"] == "issuer"]
        return dict(found)

    trusting("people", "list")  # makes the store
    assert issuer()["level"] == "fail"
    trusting("issuers", "secret", "corp", "--client-id", "asking", "--stdin", stdin="s3cret")
    assert issuer()["level"] == "ok"
    assert "/signin/corp/callback" in issuer()["text"]


@pytest.fixture
async def sandbox(home: Path) -> AsyncIterator[Sandbox]:
    made = Sandbox(FakeClock())
    async with running(made) as base_url:
        load(home)
        table = "".join(f'"{origin}" = "{target}"\n' for origin, target in hosts(base_url).items())
        (home / FILE).write_text(f"{CORP}\n[hosts]\n{table}")
        yield made


async def test_a_check_asks_the_issuer_and_says_what_was_found(cli: Cli, sandbox: Sandbox) -> None:
    async def checked() -> tuple[int, dict[str, str]]:
        ran = await anyio.to_thread.run_sync(lambda: cli("issuers", "check", "corp", "--json"))
        return ran.code, {one["about"]: one["level"] for one in ran.json}

    code, found = await checked()
    assert (code, found["metadata"], found["keys"], found["sign-in"]) == (1, "ok", "ok", "ok")
    assert found["secret"] == "fail"
    await anyio.to_thread.run_sync(
        lambda: cli("issuers", "secret", "corp", "--client-id", "asking", "--stdin", stdin="s3cret")
    )
    assert (await checked())[1]["secret"] == "warn"
    sandbox.corp.twist("metadata_of_another")
    assert await checked() == (1, {"metadata": "fail"})
