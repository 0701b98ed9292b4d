"""Claude Code's Elicitation hook as a person with a browser, who opens the link and approves.

hook.py NAME PASSWORD ACCOUNT, with the elicitation as JSON on stdin.
"""

import json
import sys

import anyio

from valetkey.demo.person import PersonWithBrowser


async def approve(link: str, name: str, password: str, account: str) -> None:
    """Sign in, allow what is asked, consent at the provider, confirm the account."""
    async with PersonWithBrowser() as browser:
        await browser.open(link)
        await browser.submit(name=name, password=password)
        await browser.submit(password=password, decision="allow")
        await browser.submit(account=account, decision="allow")
        await browser.submit(decision="yes")


def main() -> None:
    """Answer one elicitation."""
    asked = json.load(sys.stdin)
    assert asked["mode"] == "url", asked
    name, password, account = sys.argv[1:]
    anyio.run(approve, asked["url"], name, password, account)
    answer = {"hookEventName": "Elicitation", "action": "accept"}
    sys.stdout.write(json.dumps({"hookSpecificOutput": answer}))


if __name__ == "__main__":
    main()
