"""python -m lab.twin: a world, told what to do on standard input; see `lab.twin`."""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

from lab.errors import LabError
from lab.twin.commands import COMMANDS, SLOW
from lab.twin.lines import Teller
from lab.twin.stdio import Output, read_lines
from lab.twin.ticks import tick
from lab.twin.world import World

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
STOP_WITHIN_S = 10.0


def main() -> int:
    asyncio.run(run())
    return 0


async def run() -> None:
    """Do what is told until the input ends or a signal comes; then end everything."""
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    commands: asyncio.Queue[bytes | None] = asyncio.Queue()

    def nobody_reads() -> None:
        loop.call_soon_threadsafe(over.set)

    output = Output(nobody_reads)
    for number in SIGNALS:
        loop.add_signal_handler(number, over.set)
    notice(output, "started", str(os.getpid()))
    read_lines(commands.put_nowait)
    try:
        async with asyncio.TaskGroup() as group:
            world = World(Teller(output.write), lambda what, why: notice(output, what, why), group)
            control = group.create_task(world.control())
            ticking = group.create_task(tick(world.teller.tick))
            taking = group.create_task(take_commands(world, commands, output, group, over))
            await over.wait()
            taking.cancel()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_WITHIN_S):
                    await world.stop()
            control.cancel()
            ticking.cancel()
    finally:
        output.close()


def notice(output: Output, what: str, detail: str) -> None:
    output.write({"notice": what, "t": time.monotonic_ns(), "detail": detail})


async def take_commands(
    world: World,
    commands: "asyncio.Queue[bytes | None]",
    output: Output,
    group: asyncio.TaskGroup,
    over: asyncio.Event,
) -> None:
    while (line := await commands.get()) is not None:
        told = parse(line)
        if told.get("do") in SLOW:
            group.create_task(answer(world, told, output))
        else:
            await answer(world, told, output)
    over.set()


def parse(line: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


async def answer(world: World, told: Mapping[str, Any], output: Output) -> None:
    """Do one command and answer it, whatever becomes of it."""
    output.write({"id": told.get("id"), **await outcome(world, told)})


async def outcome(world: World, told: Mapping[str, Any]) -> dict[str, Any]:
    command = COMMANDS.get(str(told.get("do")))
    if command is None:
        message = f"no command {told.get('do')!r} (there are {', '.join(COMMANDS)})"
        return {"error": {"kind": "InvalidValue", "message": message, "hint": None}}
    try:
        return {"ok": True, **await command(world, told)}
    except LabError as error:
        kind = type(error).__name__
        return {"error": {"kind": kind, "message": error.message, "hint": error.hint}}
    except Exception:  # an error of ours is an answer too, and no reason to end a run
        return {"error": {"kind": "Bug", "message": traceback.format_exc(), "hint": None}}


if __name__ == "__main__":
    sys.exit(main())
