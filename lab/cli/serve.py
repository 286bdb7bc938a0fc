"""lab serve: the live page of runs, on loopback."""

from typing import TYPE_CHECKING, Annotated

import typer

from lab.cli import _output
from lab.cli._options import Runs
from lab.cli.report import complete_run
from lab.errors import Interrupted

if TYPE_CHECKING:
    from lab.live.server import Server

Port = Annotated[
    int, typer.Option("--port", help="Of loopback; 0 takes a free one.", metavar="PORT")
]


def serve(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN]",
            help="As lab report list names it; usually the newest, and each that begins.",
            autocompletion=complete_run,
        ),
    ] = None,
    port: Port = 8600,
    runs: Runs = None,
) -> None:
    """Show runs on a page while they go on, until Ctrl-C.

    The page is for browsers of this host. Any number of them may look on, and none is in the way
    of a run.

    Examples:

        lab serve

        lab serve --port 0
    """
    from lab.cli.report import open_store
    from lab.live.looking import LookOn
    from lab.live.server import Server, bind

    store = open_store(runs)
    show = LookOn(store, store.find(run) if run else None)
    with bind(port) as listener:
        server = Server(show, listener)
        _output.note(f"Showing {run or 'the newest run'} at {server.address} until Ctrl-C")
        until_interrupted(server)


def until_interrupted(server: "Server") -> None:
    """Serve; Ctrl-C is how it is meant to end."""
    try:
        server.run()
    except Interrupted:
        _output.note("Stopped.")
