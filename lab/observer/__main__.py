"""python -m lab.observer serve --dir D --port P; the server starts the other commands."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from lab.observer import server, watchdog, work

WORKERS = {
    "load": work.load,
    "watch": work.watch,
    "database": work.database,
    "audit": work.audit,
}


def main(argv: Sequence[str]) -> int:
    options = _options(argv)
    if options.command == "serve":
        options.dir.mkdir(parents=True, exist_ok=True)
        asyncio.run(_serve(options))
    else:
        work.run(WORKERS[options.command], options.dir)
    return 0


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await server.serve(
        options.dir,
        host=options.host,
        port=options.port,
        abandon_s=options.abandon_s,
        stop=stop,
    )


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="lab.observer", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve runs over HTTP")
    serve.add_argument("--dir", type=Path, required=True, help="where runs are kept")
    serve.add_argument("--host", default="0.0.0.0")  # noqa: S104 - a pod is reached by its address
    serve.add_argument("--port", type=int, default=8090)
    serve.add_argument(
        "--abandon-s",
        type=_seconds,
        default=watchdog.SECONDS,
        help="end a run that nobody asks for within so many seconds (default: %(default)g)",
    )
    for name in WORKERS:
        worker = commands.add_parser(name, help=f"the {name} worker of one run")
        worker.add_argument("--dir", type=Path, required=True, help="directory of the run")
    return parser.parse_args(argv)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return seconds


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
