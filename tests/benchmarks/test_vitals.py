"""The soak's own judgement: what grows with the calls is found, and what comes and goes is not."""

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from benchmarks.vitals import Sample, judged

CHANCE = Random(5)


def sample(number: int, **more: int) -> Sample:
    """The server after so many thousand calls. It took up memory at first, and breathes since then."""
    calls, breath = number * 1_000, CHANCE.randrange(100_000)
    memory = 120_000_000 - 20_000_000 // (number + 1) + breath
    holds = {"memory": memory, "descriptors": 50 + number % 3, "threads": 8, "tasks": 20 + number % 5}
    holds["blocks"] = 600_000 + breath // 50
    holds |= {"log": 4_000_000 * (number % 2), "store": calls * 700}
    kinds = Counter({"valetkey.Thing": 5_000 + number % 7})
    held = {name: value + more.get(name, 0) * calls // 1_000 for name, value in holds.items()}
    kinds["valetkey.Leaked"] = more.get("objects", 0) * calls // 1_000
    return Sample(at=number * 10.0, calls=calls, kinds=kinds, **held)


def test_a_server_that_only_breathes_is_flat() -> None:
    verdict = judged([sample(number) for number in range(120)])
    assert verdict.flat, verdict.lines


PER_THOUSAND_CALLS = {
    "memory": 56_000,
    "blocks": 1_000,
    "objects": 1_000,
    "descriptors": 1,
    "tasks": 1,
    "threads": 1,
    "log": 100_000,
}


@pytest.mark.parametrize("what", PER_THOUSAND_CALLS)
def test_what_grows_is_found(what: str) -> None:
    verdict = judged([sample(number, **{what: PER_THOUSAND_CALLS[what]}) for number in range(120)])
    assert not verdict.flat
    assert any(line.startswith(f"GROWS: {what}") for line in verdict.lines), verdict.lines


def test_what_is_there_for_a_moment_is_no_growth() -> None:
    moments = {85: 20_000_000, 110: 20_000_000, 119: 20_000_000}
    samples = [sample(number) for number in range(120)]
    seen = [replace(one, memory=one.memory + moments.get(at, 0)) for at, one in enumerate(samples)]
    assert judged(seen).flat


def test_what_there_is_more_of_is_named() -> None:
    verdict = judged([sample(number, objects=1_000) for number in range(120)])
    assert any("of valetkey.Leaked" in line for line in verdict.lines)
