"""What compares refusals by their time finds what leaks; and without a clock: which work a refusal is.

How long they take is measured where the machine is quiet, by `python -m benchmarks.timing`.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import reduce
from operator import and_
from random import Random
from typing import Any, ClassVar

import httpx2
import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from benchmarks.refusals import Guesses, refusals
from benchmarks.timing import Compared, by_rank, compared, leak, table
from valetkey.people import passwords
from valetkey.store import Value, sqlite

RECORDED = "a client's secret: of nobody, of somebody"
"""Where there is such a client, a wrong secret is on record: by the next commit, which nobody waits for."""

ANY = re.compile(r"[\w-]{20,}|\b(zoe|ana)\b")
"""Stamps, challenges and ids, and the names that were typed."""


@pytest.fixture(scope="module")
async def pairs(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[list[Guesses]]:
    async with refusals(tmp_path_factory.mktemp("refusals")) as found:
        yield found


def test_ranks_are_compared_as_mann_and_whitney_do() -> None:
    """Their own way of counting: of all pairs, those that the second wins."""
    first, second = [1.0, 2.0, 4.0, 7.0], [3.0, 5.0, 6.0, 8.0, 9.0]
    assert by_rank(first, second)[0] == 16 / 20
    assert by_rank(second, first)[0] == 4 / 20
    assert by_rank([1.0], [1.0])[0] == 0.5
    assert by_rank(first, second)[1] == pytest.approx(0.1417, abs=1e-4)  # z = 6 / sqrt(50 / 3)


def test_chance_is_found_out_as_chance() -> None:
    chance = Random(6)
    same = [[chance.random() for _ in range(200)] for _ in range(2)]
    shifted = [one + 0.3 for one in same[1]]
    assert by_rank(same[0], same[1])[1] > 0.01
    assert by_rank(same[0], shifted)[1] < 1e-9


async def test_a_comparison_that_leaks_is_found_on_a_busy_machine_too() -> None:
    found = await compared(leak(), 40)
    assert found.tells
    assert found.wins > 0.9
    assert Compared("an even one", 1, 1, 0.5, 1.0).tells is False
    assert table([found]).row_count == 1


async def test_a_pair_is_refused_in_the_same_words_and_with_the_same_statements(
    pairs: list[Guesses], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = _noting(monkeypatch)
    assert len({pair.what for pair in pairs}) == len(pairs) == 9
    for pair in pairs:
        first, second = [await _work(guess, done) for guess in (pair.first, pair.second)]
        assert first[0] == second[0], pair.what
        assert first[1] <= second[1] if pair.what == RECORDED else first[1] == second[1], pair.what


async def test_a_password_of_nobody_is_hashed_at_the_cost_of_anybodys(
    pairs: list[Guesses], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "Argon2id", _Noting)
    _Noting.costs.clear()
    await pairs[-1].first()
    await pairs[-1].second()
    nobodys, somebodys = _Noting.costs
    assert nobodys == somebodys


class _Noting:
    """The library's Argon2id, which notes what each hash costs: version, memory, passes and lanes."""

    costs: ClassVar[list[list[str]]] = []

    def __init__(self, **cost: Any) -> None:
        self._own = Argon2id(**cost)

    def derive_phc_encoded(self, password: bytes) -> str:
        made = self._own.derive_phc_encoded(password)
        self.costs.append(made.split("$")[1:4])
        return made

    @classmethod
    def verify_phc_encoded(cls, password: bytes, stored: str) -> None:
        cls.costs.append(stored.split("$")[1:4])
        Argon2id.verify_phc_encoded(password, stored)


def _noting(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Every statement that reaches the store from now on."""
    done, bound = Counter[str](), sqlite._bound

    def noted(sql: str, values: Sequence[Value]) -> tuple[str, list[Value]]:
        done[sql] += 1
        return bound(sql, values)

    monkeypatch.setattr(sqlite, "_bound", noted)
    return done


async def _work(
    guess: Callable[[], Awaitable[httpx2.Response]], done: Counter[str]
) -> tuple[str, Counter[str]]:
    """The answer, and the statements that each of a few such guesses made: others were somebody else's."""
    made, answers = [], set[str]()
    for _ in range(3):
        done.clear()
        answer = await guess()
        answers.add(f"{answer.status_code} {ANY.sub('…', answer.text)}")
        made.append(Counter(done))
    (said,) = answers
    return said, reduce(and_, made)
