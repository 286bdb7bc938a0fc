"""python -m benchmarks.twin_balancer: what does the twin's balancer add to a request?

The same requests at the same rate, by turns directly to a program that answers at once and
through a balancer before it, each a process of its own; each on a new connection, and on one
that is kept.
"""

import argparse
import asyncio
import contextlib
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmarks.machine import describe_machine, load_average
from lab.twin.balancer import Balancer
from lab.twin.tether import tethered

HOST = "127.0.0.1"
BODY = b"x" * 400
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n" + BODY
REQUEST = b"GET /chirps HTTP/1.1\r\nHost: x\r\n\r\n"
WARM_UP = 20


@dataclass(frozen=True, slots=True)
class Result:
    """Times of answers in ms, and the CPU that the balancer took for each, in ms."""

    way: str
    kept: bool
    times: Sequence[float]
    cpu: float | None


async def pod() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_server(answer, HOST, 0)
    say(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def balance(port: int) -> None:
    """Write the CPU time so far for each line that is read."""
    balancer = Balancer(HOST)
    await balancer.start()
    balancer.set_endpoints([("pod", HOST, port)])
    say(balancer.port)
    while await asyncio.to_thread(sys.stdin.readline):
        used = resource.getrusage(resource.RUSAGE_SELF)
        say(used.ru_utime + used.ru_stime)


def say(word: object) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


@contextlib.contextmanager
def program(*arguments: str) -> "Iterator[tuple[subprocess.Popen[str], int]]":
    command = tethered([sys.executable, "-m", "benchmarks.twin_balancer", *arguments])
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            yield process, int(hear(process))
        finally:
            process.terminate()


def hear(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def cpu_of(process: "subprocess.Popen[str]") -> float:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return float(hear(process))


class Client:
    """Asks on new connections, or on kept ones of which no request waits for another's."""

    def __init__(self, port: int, *, kept: bool) -> None:
        self._port = port
        self._kept = kept
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask_at(self, due: float) -> float:
        """Return the time from when it was due until the whole answer came, in ms."""
        loop = asyncio.get_running_loop()
        await asyncio.sleep(due - loop.time())
        if self._idle:
            reader, writer = self._idle.pop()
        else:
            reader, writer = await asyncio.open_connection(HOST, self._port)
        writer.write(REQUEST)
        await reader.readexactly(len(ANSWER))
        taken = 1000 * (loop.time() - due)
        if self._kept:
            self._idle.append((reader, writer))
        else:
            writer.close()
        return taken

    def close(self) -> None:
        for _, writer in self._idle:
            writer.close()


async def measure(port: int, *, kept: bool, rate: int, count: int) -> list[float]:
    client = Client(port, kept=kept)
    start = asyncio.get_running_loop().time() + 0.1
    every = range(count + WARM_UP)
    times = await asyncio.gather(*(client.ask_at(start + number / rate) for number in every))
    client.close()
    return times[WARM_UP:]


def compare(*, rate: int, count: int, rounds: int) -> Iterator[Result]:
    with program("pod") as (_, behind), program("balance", str(behind)) as (balancer, before):
        for kept in (False, True):
            direct: list[float] = []
            through: list[float] = []
            used = 0.0
            for _ in range(rounds):
                direct += asyncio.run(measure(behind, kept=kept, rate=rate, count=count))
                started = cpu_of(balancer)
                through += asyncio.run(measure(before, kept=kept, rate=rate, count=count))
                used += cpu_of(balancer) - started
            yield Result("direct", kept, direct, None)
            asked = rounds * (count + WARM_UP)
            yield Result("balanced", kept, through, 1000 * used / asked)


def render(results: Sequence[Result], *, rate: int) -> str:
    machine = describe_machine()
    lines = [
        f"{machine['CPU']}, {machine['cores']} cores, {machine['kernel']}; load average "
        f"{load_average():.1f} at the end; {rate} requests/s, from when each was due.",
        "",
        "| connections | way | p50 (ms) | p90 | p99 | CPU of the balancer a request (ms) |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for each in results:
        cut = statistics.quantiles(each.times, n=100)
        cpu = "" if each.cpu is None else f"{each.cpu:.2f}"
        kind = "kept" if each.kept else "new"
        row = (kind, each.way, f"{cut[49]:.2f}", f"{cut[89]:.2f}", f"{cut[98]:.2f}", cpu)
        lines.append("| " + " | ".join(row) + " |")
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str]) -> int:
    match list(argv):
        case ["pod"]:
            asyncio.run(pod())
        case ["balance", port]:
            asyncio.run(balance(int(port)))
        case _:
            options = _options(argv)
            given = {"rate": options.rate, "count": options.rate * options.seconds}
            results = list(compare(**given, rounds=options.rounds))
            sys.stdout.write(render(results, rate=options.rate))
    return 0


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--rate", type=int, default=200, help="requests a second (%(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="length of a turn (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each way (%(default)s)")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
