"""The command `lab`: options, one call of a package, its result."""

import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from lab.cli import (
    _output,
    access,
    artifacts,
    ci,
    demo,
    doctor,
    down,
    node,
    power,
    report,
    scenario,
    serve,
    service,
    status,
    up,
)
from lab.errors import EXIT_BUG, Interrupted, LabError, explain

app = typer.Typer(
    name="lab",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Practise, demonstrate and test what deployments do to the person on call.\n\n"
    "Exit codes: 0 done or as predicted, 1 not as predicted, 2 usage, 3 the run proves nothing, "
    "4 lab could not do its work, 70 a bug in lab, 130 interrupted.",
)
app.command()(doctor.doctor)
app.command()(up.up)
app.command()(status.status)
app.command("list")(status.list_labs)
app.command()(access.kubeconfig)
app.command(context_settings=access.PASS_ON)(access.kubectl)
app.command(context_settings=access.PASS_ON)(access.ssh)
app.command()(access.logs)
app.command()(service.deploy)
app.command()(service.reset)
app.command(context_settings=access.PASS_ON)(service.psql)
app.command(context_settings=access.PASS_ON)(service.chirps)
app.command()(power.stop)
app.command()(power.start)
app.command()(down.down)
app.command()(serve.serve)
app.command()(demo.demo)
app.command()(ci.ci)
app.add_typer(node.app, name="node")
app.add_typer(scenario.app, name="scenario")
app.add_typer(report.app, name="report")
app.add_typer(artifacts.app, name="artifacts")


def main() -> None:
    """Run one command; the one place where an error becomes text and exit code."""
    signal.signal(signal.SIGINT, _interrupt)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        app()
    except LabError as error:
        _end(error)
    except OSError as error:
        failure = explain(error)
        if failure is None:
            _show_bug()
            sys.exit(EXIT_BUG)
        _end(failure)
    except Exception:
        _show_bug()
        sys.exit(EXIT_BUG)


def _end(error: LabError) -> NoReturn:
    # Who cancels a job sends a second signal seconds later: nothing is left that it could end, and
    # it must not make a traceback of the message.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _output.show_error(error)
    sys.exit(error.exit_code)


def _show_bug() -> None:
    import traceback

    _output.note(traceback.format_exc())
    _output.note("Error: this is a bug in lab; the lines above say where")


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted("interrupted", hint="the same command goes on; lab down removes the lab")
