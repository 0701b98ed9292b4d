import json
import threading

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.manifest.flaws import Flaw
from valetkey.manifest.shape import CAP, IN_A_THREAD, Expression, capped, shaped
from valetkey.model import Json


@pytest.mark.parametrize(
    ("source", "value", "found"),
    [
        ("header(h, 'From')", {"h": [{"name": "from", "value": "ana"}]}, "ana"),
        ("header(h, 'From')", {"h": [{"name": "To", "value": "ana"}, 7, {}]}, None),
        ("header(h, 'From')", {}, None),
        ("b64url(t)", {"t": "R3LDvMOfZQ"}, "Grüße"),
        ("b64url(t)", {"t": "R3LDvMOfZQ=="}, "Grüße"),
        ("b64url(t)", {"t": "_-8"}, "\ufffd\ufffd"),
        ("b64url(t)", {"t": "a"}, None),
        ("b64url(t)", {}, None),
        ("iso(t)", {"t": "1763971200000"}, "2025-11-24T08:00:00Z"),
        ("iso(t)", {"t": 0.0}, None),
        ("iso(t)", {"t": 1763971200123}, "2025-11-24T08:00:00Z"),
        ("iso(t)", {"t": "soon"}, None),
        ("iso(t)", {"t": 1e300}, None),
        ("iso(t)", {}, None),
        ("text(t)", {"t": "<title>x</title><p>One<br>two</p><script>3</script>&lt;4"}, "One\ntwo\n<4"),
        ("text(t)", {"t": "<style>a<p>b"}, ""),
        ("text(t)", {}, None),
        ("cap(t, `4`)", {"t": "abcde"}, "abc…"),
        ("cap(t, `5`)", {"t": "abcde"}, "abcde"),
        ("cap(t, `0`)", {"t": "abcde"}, "…"),
        ("cap(t, `5`)", {}, None),
    ],
)  # fmt: skip
def test_the_five_helpers(source: str, value: Json, found: Json) -> None:
    assert Expression(source).search(value) == found


@pytest.mark.parametrize("source", ["env('HOME')", "a[?b(c)]", "{x: uuid()}", "a[", "", "a b"])
def test_nothing_but_jmespath_and_the_helpers_is_an_expression(source: str) -> None:
    with pytest.raises(Flaw):
        Expression(source)


@pytest.mark.parametrize("value", [{}, {"a": None}, {"a": 7}, [], "text", 7, None])
def test_an_unexpected_type_finds_nothing(value: Json) -> None:
    assert Expression("length(a.b)").search(value) is None


@pytest.mark.parametrize(
    ("source", "value", "holds"),
    [
        ("a", {"a": 0}, True),
        ("a", {"a": ""}, False),
        ("a", {"a": []}, False),
        ("a", {"a": {}}, False),
        ("a", {"a": False}, False),
        ("a", {"a": None}, False),
        ("ok == `false`", {"ok": False}, True),
        ("ok == `false`", {}, False),
        ("contains(['x'], e)", {}, False),
        ("d[?r=='X']", {"d": [{"r": "X"}]}, True),
    ],
)
def test_a_predicate_holds_by_jmespath_s_own_rule(source: str, value: Json, *, holds: bool) -> None:
    assert Expression(source).holds(value) is holds


class Watched(Expression):
    """An expression that remembers where it was searched."""

    def __init__(self) -> None:
        super().__init__("a")
        self.threads: list[threading.Thread] = []

    def search(self, value: Json) -> Json:
        self.threads.append(threading.current_thread())
        return super().search(value)


async def test_a_large_reply_is_shaped_in_a_thread() -> None:
    expression = Watched()
    with anyio.fail_after(10):
        assert await shaped(expression, {"a": 1}, IN_A_THREAD) == 1
        assert await shaped(expression, {"a": 2}, IN_A_THREAD + 1) == 2
    assert [thread is threading.main_thread() for thread in expression.threads] == [True, False]


async def test_results_are_clean() -> None:
    assert await shaped(Expression("{a: b}"), {"b": "x\u200b\x1by"}, 1) == {"a": "xy"}


def test_a_small_result_is_handed_on_as_it_is() -> None:
    assert capped({"items": [1, 2], "next_cursor": None}) == {"items": [1, 2], "next_cursor": None}


def test_a_long_list_loses_items_and_says_so() -> None:
    result = capped({"items": [{"n": n, "text": "x" * 1_000} for n in range(200)], "next_cursor": "c"})
    kept = result["items"]
    assert 90 < len(kept) < 100
    assert [item["n"] for item in kept] == list(range(len(kept)))
    assert result["next_cursor"] == "c"
    assert result["note"].startswith(f"Only {len(kept)} of 200 items fit")
    assert _size(result) <= CAP


def test_long_texts_are_cut_and_the_result_says_so() -> None:
    result = capped({"text": "é" * 200_000, "id": "1"})
    assert result["id"] == "1"
    assert result["text"].endswith("…")
    assert "cut" in result["note"]
    assert _size(result) <= CAP + 200


def test_one_giant_item_is_cut_rather_than_dropped() -> None:
    result = capped({"items": [{"text": "x" * 200_000}, {"text": "y"}], "next_cursor": None})
    assert len(result["items"]) == 1
    assert result["items"][0]["text"].startswith("xxx")


def test_what_cannot_be_made_small_is_an_error() -> None:
    with pytest.raises(ValueError, match="too large"):
        capped({"numbers": list(range(100_000))})


@given(
    st.recursive(
        st.text(max_size=40) | st.integers(), lambda inner: st.lists(inner, max_size=8), max_leaves=60
    )
)
def test_a_capped_result_is_never_far_over_the_cap(items: Json) -> None:
    try:
        small = capped({"items": items if isinstance(items, list) else [items]}, limit=400)
    except ValueError:
        return
    assert _size(small) <= 600


def _size(value: Json) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
