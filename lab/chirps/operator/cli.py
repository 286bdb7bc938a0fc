"""`chirps migrate`: the commands, and what each asks."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from lab.chirps import migrate, settings
from lab.chirps.errors import EXIT_REFUSED
from lab.chirps.operator import arguments, contract, planning, rollback, undoing, verify, why_not
from lab.chirps.operator.answer import Told
from lab.chirps.operator.applied import Where
from lab.chirps.operator.listing import listing
from lab.chirps.settings import Settings

Options = argparse.Namespace
Environ = Mapping[str, str]
EXIT_CODES = (
    "exit codes: 0 yes or done, 1 no, 2 cannot tell (database away, no right) or wrong usage"
)


class Shown(Protocol):
    """What a command comes to."""

    @property
    def exit_code(self) -> int: ...

    def as_json(self) -> Mapping[str, Any]: ...

    def as_text(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Command:
    """`add` gives the parser what is not common to all; `examples` stand behind the name."""

    name: str
    help: str
    run: Callable[[Settings, Options], Shown]
    add: Callable[[argparse.ArgumentParser], None] = arguments.add_nothing
    examples: tuple[str, ...] = ("",)

    @property
    def epilog(self) -> str:
        lines = (f"  chirps migrate {self.name} {each}".rstrip() for each in self.examples)
        return "\n".join(("examples:", *lines, "", EXIT_CODES))


def add_migrate(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        own = commands.add_parser(
            command.name,
            help=command.help,
            description=command.help,
            epilog=command.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add(own)
        arguments.add_common(own)
        own.set_defaults(run=showing(command.run))


def showing(run: Callable[[Settings, Options], Shown]) -> Callable[[Options, Environ], int]:
    def run_and_show(options: Options, environ: Environ) -> int:
        shown = run(settings.read(environ), options)
        text = json.dumps(shown.as_json(), default=str) if options.json else shown.as_text()
        sys.stdout.write(text + "\n")
        return shown.exit_code

    return run_and_show


def where(asked: Settings, options: Options) -> Where:
    return Where(options.track or asked.track, options.table)


def where_to(asked: Settings, options: Options) -> Where:
    """Return it for a command that goes forward to `options.to`; raises NoSuchVersion."""
    place = where(asked, options)
    migrate.require_version(place.track, options.to)
    return place


def run_up(asked: Settings, options: Options) -> Shown:
    how = arguments.goose_options(options)
    done = migrate.up(asked, where_to(asked, options).track, options.to, note_event, how)
    return Told(0, done, f"the database has version {done['version']}")


def run_status(asked: Settings, options: Options) -> Shown:
    place = where(asked, options)
    status = migrate.status(asked, place.track, place.table)
    code = 0 if status.is_up_to_date else EXIT_REFUSED
    return Told(code, status.answer(), listing(status))


def run_plan(asked: Settings, options: Options) -> Shown:
    if options.down:
        place = where(asked, options)
        return undoing.plan_down(asked, place, options.to, conninfo=options.scratch)
    return planning.plan(asked, where_to(asked, options), options.to, options.scratch)


def run_down(asked: Settings, options: Options) -> Shown:
    return undoing.down(
        asked,
        where(asked, options),
        options.to,
        note_event,
        arguments.goose_options(options),
        accepted=options.data_loss_accepted,
        conninfo=options.scratch,
    )


def run_verify(asked: Settings, options: Options) -> Shown:
    return verify.verify(asked, where(asked, options), options.scratch)


def run_why_not(asked: Settings, options: Options) -> Shown:
    return why_not.why_not(asked)


def run_rollback(asked: Settings, options: Options) -> Shown:
    return rollback.can_i_rollback(asked, where(asked, options), options.release)


def run_contract(asked: Settings, options: Options) -> Shown:
    return contract.can_i_contract(asked, where_to(asked, options), options.to, options.quiet_for)


def note_event(event: Mapping[str, Any]) -> None:
    """Tell of each step on stderr, as a line of JSON like the service's log."""
    sys.stderr.write(json.dumps(event) + "\n")


COMMANDS = (
    Command("status", "show files and database; 1 if one is pending", run_status),
    Command(
        "up",
        "apply what is pending",
        run_up,
        arguments.add_up,
        ("", "--to 6 --lock-timeout 1 --retries 10"),
    ),
    Command(
        "plan",
        "what will the pending files lock, rewrite and lose? Measured on a scratch database",
        run_plan,
        arguments.add_plan,
        ("", "--to 6", "--down --to 5"),
    ),
    Command(
        "down",
        "go back to an older schema, along a way that is proven on a scratch database first",
        run_down,
        arguments.add_down,
        ("", "--to 5 --data-loss-accepted"),
    ),
    Command(
        "verify",
        "is the schema whole, and what the files make of an empty database?",
        run_verify,
        arguments.add_scratch,
        ("", "--scratch 'host=db2 dbname=empty user=me'"),
    ),
    Command(
        "why-not",
        "who holds what a migration waits for, and who may be ended?",
        run_why_not,
    ),
    Command(
        "can-i-rollback",
        "may this release run on the schema there is?",
        run_rollback,
        arguments.add_release,
        ("v1",),
    ),
    Command(
        "can-i-contract",
        "are all gone, and kept out, who would not bear the next files?",
        run_contract,
        arguments.add_quiet,
        ("", "--to 9 --quiet-for 60"),
    ),
)
