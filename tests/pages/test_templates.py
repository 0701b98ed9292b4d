"""The templates as a whole: nothing inline or from elsewhere, every field labelled, every form stamped."""

import re
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from valetkey import pages
from valetkey.pages.templates import environment

FOLDER = Path(pages.__file__).parent / "templates"
NAMES = sorted(path.name for path in FOLDER.iterdir())
LINKS = {name: f"/static/{name}" for name in ("valetkey.css", "mark.svg", "passkeys.js")}
OUR_SCRIPT = """<script src="{{ static('passkeys.js') }}" type="module"></script>"""

ONLY_LOOKS = 'method="get" action="/mine/history"'
"""The one form that asks for another view of its own page."""


def text(name: str) -> str:
    return (FOLDER / name).read_text()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_inline_and_nothing_comes_from_elsewhere(name: str) -> None:
    inline = re.search(
        r"<script|<style|\sstyle=|\son\w+=|javascript:|https?:|//\w+\.|\|\s*safe|autoescape",
        text(name).replace(OUR_SCRIPT, ""),
    )
    assert not inline, f"{name}: {inline}"


@pytest.mark.parametrize("name", NAMES)
def test_every_form_posts_and_carries_its_stamp(name: str) -> None:
    for form in re.findall(r"<form\b.*?</form>", text(name), re.DOTALL):
        if ONLY_LOOKS in form:  # its stamp would stand in the address
            assert "stamp" not in form
            continue
        assert 'method="post"' in form
        assert '<input type="hidden" name="stamp" value="{{ stamp }}">' in form


@pytest.mark.parametrize("name", NAMES)
def test_every_field_one_sees_has_a_label(name: str) -> None:
    for field in re.findall(r"<input\b[^>]*>", text(name)):
        hidden = 'type="hidden"' in field or 'aria-hidden="true"' in field
        found = re.search(r'\sid="([^"]+)"', field)
        wrapped = re.search(rf"<label\b(?:(?!</label>).)*{re.escape(field)}", text(name), re.DOTALL)
        assert hidden or wrapped or (found and f'for="{found[1]}"' in text(name)), f"{name}: {field}"


def test_what_was_not_given_is_an_error_and_not_an_empty_space() -> None:
    with pytest.raises(UndefinedError):
        environment(LINKS).get_template("problem.html").render(title="only a title")


def test_whatever_is_given_is_escaped() -> None:
    evil = "<img src=x onerror=alert(1)>\"'"
    html = environment(LINKS).get_template("problem.html").render(title=evil, text=evil)
    assert "<img src=x" not in html
    assert html.count("&lt;img src=x onerror=alert(1)&gt;&#34;&#39;") == 3
