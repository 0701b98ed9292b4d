"""`python -m benchmarks.soak`: a server for a long time under all that goes on. Does anything grow, is
anything lost?
"""

import argparse
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio
import psutil

from benchmarks.bustle import Bustle
from benchmarks.connector import READ
from benchmarks.load import Line, Load
from benchmarks.residents import Resident, furnish, issued_by, moved_in, settings_text
from benchmarks.serve import FAST
from benchmarks.sides import free_port, served
from benchmarks.vitals import Sample, Verdict, judged, looked, traced
from tests.support.clock import FakeClock
from tests.support.desk import until
from tests.support.town import Town, register
from valetkey.assemble import opened
from valetkey.model import SystemClock
from valetkey.sandbox import Sandbox, running
from valetkey.settings import load

RESIDENTS, LIFETIME = 40, 20
"""How many people call all the time, and for how many seconds their access tokens live."""

ROTATIONS = 8
"""How often in a run the keys of the store are rotated."""

SAMPLES, MOST_SHOWN = 120, 20
CONNECTORS = Path(__file__).parents[1] / "tests" / "support" / "connectors"


async def main(seconds: float, rate: float, trace: bool) -> bool:  # noqa: FBT001 - as it came from the command line
    """Let it run for so long at so many calls a second, and say what came of it; whether all is well."""
    with TemporaryDirectory() as folder, served("upstream", 1, "100") as upstream:
        home, port, operator = Path(folder) / "home", free_port(), free_port()
        providers = Sandbox(SystemClock())
        providers.strict.change(lifetime=LIFETIME)
        async with running(providers) as base_url:
            more = f'public_url = "http://localhost:{port}"\n[operator]\nlisten = "127.0.0.1:{operator}"'
            furnish(home, 10, settings_text(upstream.url, base_url, more, [str(CONNECTORS)]))
            residents, visitor = await _settled(home, providers)
            bustle = Bustle(port, operator, residents, visitor, providers.strict, rate)
            async with server(home, port) as process:
                samples = await _watched(bustle, process, home, seconds, trace=trace)
                lost = await _lost(bustle)
    return _said(bustle, judged(samples), lost)


async def _settled(home: Path, providers: Sandbox) -> tuple[list[Resident], tuple[str, str]]:
    """Let everybody move in; the visitor's name and token, too."""
    async with opened(load(home)) as house:
        await register(house, "notes")
        names = [f"resident-{number}" for number in range(RESIDENTS)]
        residents = await moved_in(house, names, issued_by(providers.strict))
        town = Town(providers, house, FakeClock(), "")
        visitor = await town.person("visitor")
        return residents, (visitor.name, await town.token(visitor))


@asynccontextmanager
async def server(home: Path, port: int) -> AsyncIterator[psutil.Process]:
    """`benchmarks.soaked` on a home, from when it listens until the block ends."""
    command = [sys.executable, "-m", "benchmarks.soaked", str(home), str(port)]
    with (home.parent / "server.log").open("w") as log:
        process = await anyio.open_process(command, stdin=None, stdout=log, stderr=log)
    try:
        with anyio.fail_after(60):
            await until(lambda: "listens on" in (home.parent / "server.log").read_text(), 60)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        with anyio.CancelScope(shield=True):
            await process.wait()


async def _watched(
    bustle: Bustle, process: psutil.Process, home: Path, seconds: float, *, trace: bool
) -> list[Sample]:
    """Let it go on for so long; look now and then, and say what is seen."""
    samples, began, told = list[Sample](), time.monotonic(), 0
    async with bustle.going_on(), anyio.create_task_group() as tasks:
        tasks.start_soon(_rotating, home, seconds / ROTATIONS)
        while (at := time.monotonic() - began) < seconds:
            samples.append(await looked(process, home, at, bustle.calls))
            told = _told(bustle, samples[-1], told)
            await anyio.sleep(max(seconds / SAMPLES, 1))
            if trace and len(samples) == SAMPLES // 4:
                await traced(process, home)
        if trace:
            print(await traced(process, home))  # noqa: T201 - what was asked for
        tasks.cancel_scope.cancel()
    return samples


def _told(bustle: Bustle, sample: Sample, told: int) -> int:
    """Say how it goes, and what went wrong since; how much of that is told by now."""
    print(sample, *bustle.wrong[told:], sep="\n  WRONG: ", flush=True)  # noqa: T201 - the progress
    return len(bustle.wrong)


async def _rotating(home: Path, pause: float) -> None:
    """Rotate the keys of the store, again and again, as an operator does."""
    command = [str(Path(sys.executable).parent / "valetkey"), "keys", "rotate"]
    while True:
        await anyio.sleep(pause)
        await anyio.run_process(command, env={**os.environ, "VALETKEY_HOME": str(home)})


async def _lost(bustle: Bustle) -> list[str]:
    """Whose connection does not work any more at the end, and what the provider holds against it."""
    reused = [grant.id for grant in bustle.provider.grants() if grant.reused]
    found = [f"a refresh token of {one} came twice" for one in reused]
    for resident in bustle.residents:
        load, line = Load(bustle.port, READ, resident.token), await Line.to(bustle.port)
        tries = [await line.answer(load.request()) for _ in range(3)]
        await line.close()
        if not any(load.expected in body for _, body in tries):
            found.append(f"{resident.connection} is lost: {tries[-1][1][:300]!r}")
    return found


def _said(bustle: Bustle, verdict: Verdict, lost: list[str]) -> bool:
    refreshes = bustle.provider.counters.token_requests
    lines = [
        f"{bustle.calls:,} calls, as they ended: {dict(bustle.ended)}",
        f"token requests, as they ended: { {' '.join(how): many for how, many in refreshes.items()} }",
        *verdict.lines,
        f"lost: {len(lost)}; wrong: {len(bustle.wrong)}",
        *lost[:MOST_SHOWN],
        *bustle.wrong[:MOST_SHOWN],
    ]
    print("\n".join(lines))  # noqa: T201 - the result
    return verdict.flat and not lost and not bustle.wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=1_200)
    parser.add_argument("--rate", type=float, default=100, help="calls a second")
    parser.add_argument("--trace", action="store_true", help="tell where what grows is made: slow")
    chosen = parser.parse_args()
    arguments = (chosen.seconds, chosen.rate, chosen.trace)
    well = anyio.run(main, *arguments, backend_options={"use_uvloop": FAST})
    sys.exit(not well)
