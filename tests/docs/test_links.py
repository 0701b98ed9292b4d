"""Every link between pages leads somewhere."""

import pytest

from tests.docs.pages import Page, page, pages
from tests.laws.source import ROOT


@pytest.mark.parametrize("here", pages(), ids=lambda here: here.name)
def test_every_link_leads_somewhere(here: Page) -> None:
    assert [link for link in here.links() if not leads_somewhere(here, link)] == []


def leads_somewhere(here: Page, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (here.path.parent / path).resolve() if path else here.path
    if not target.exists() or not target.is_relative_to(ROOT):
        return False
    return not anchor or anchor in page(target.relative_to(ROOT).as_posix()).anchors()


def test_every_page_can_be_found_from_the_readme() -> None:
    found = {"README.md"}
    waiting = ["README.md"]
    while waiting:
        here = page(waiting.pop())
        targets = ((here.path.parent / link.partition("#")[0]).resolve() for link in here.links())
        names = {
            path.relative_to(ROOT).as_posix() for path in targets if path.suffix == ".md" and path.exists()
        }
        waiting += names - found
        found |= names
    lost = {here.name for here in pages()} - found
    assert {name for name in lost if not name.startswith("docs/adr/")} == set()
