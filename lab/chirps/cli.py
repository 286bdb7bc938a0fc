"""The sample service: run it, migrate its database, fill it.

exit codes: 0 done, 1 no (refused, or something is pending), 2 cannot tell (the database does
not answer) or wrong usage, 78 the configuration holds mistakes
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lab.chirps import settings
from lab.chirps.errors import EXIT_REFUSED, ChirpsError

if TYPE_CHECKING:
    from lab.chirps.migrate import Status

Options = argparse.Namespace
Environ = Mapping[str, str]


def main(arguments: Sequence[str], environ: Environ | None = None) -> int:
    """Run one command and return its exit code; argparse exits with 2 on wrong usage."""
    options = make_parser().parse_args(arguments)
    try:
        return int(options.run(options, os.environ if environ is None else environ))
    except ChirpsError as error:
        sys.stderr.write(f"Error: {error}\n")
        return error.exit_code


def make_parser() -> argparse.ArgumentParser:
    description, _, epilog = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(prog="chirps", description=description, epilog=epilog)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run the service").set_defaults(run=serve)
    add_migrate(commands.add_parser("migrate", help="migrate the database, or ask what it has"))
    add_seed(commands.add_parser("seed", help="fill an empty database"))
    return parser


def add_migrate(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="apply what is pending")
    up.add_argument("--to", type=whole_number, metavar="N", help="stop after version N")
    up.set_defaults(run=migrate_up)
    status = commands.add_parser("status", help="show files and database; 1 if one is pending")
    status.set_defaults(run=migrate_status)
    for command in (up, status):
        command.add_argument("--track", metavar="T", help="folder of migrations, CHIRPS_TRACK")
        command.add_argument("--json", action="store_true", help="write one JSON object")


def add_seed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--users", type=enough_users, default=20_000, metavar="N")
    parser.add_argument("--chirps", type=whole_number, default=300_000, metavar="N")
    parser.add_argument("--if-empty", action="store_true", help="leave a filled one as it is")
    parser.set_defaults(run=seed)


def whole_number(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**31:
        raise ValueError(text)
    return number


def enough_users(text: str) -> int:
    number = whole_number(text)
    if number < 6:
        raise argparse.ArgumentTypeError(f"{number} are too few: there must be 6 at least")
    return number


# Each command imports what it needs: a migration needs no web server.
def serve(options: Options, environ: Environ) -> int:
    from lab.chirps.serve import serve

    serve(environ)
    return 0


def migrate_up(options: Options, environ: Environ) -> int:
    from lab.chirps import migrate

    asked = settings.read(environ)
    done = migrate.up(asked, options.track or asked.track, options.to, note_event)
    write(json.dumps(done) if options.json else f"the database has version {done['version']}")
    return 0


def migrate_status(options: Options, environ: Environ) -> int:
    from lab.chirps import migrate

    asked = settings.read(environ)
    status = migrate.status(asked, options.track or asked.track)
    write(json.dumps(status.answer(), default=str) if options.json else table(status))
    return 0 if status.is_up_to_date else EXIT_REFUSED


def seed(options: Options, environ: Environ) -> int:
    from lab.chirps.seed import seed

    asked = settings.read(environ)
    filled = seed(asked, users=options.users, chirps=options.chirps, if_empty=options.if_empty)
    what = f"{options.users} users and {options.chirps} chirps"
    write(f"filled with {what}" if filled else "filled already; nothing was done")
    return 0


def table(status: "Status") -> str:
    rows = [
        f"{line.version:>7}  {line.state:<7}  {moment(line.applied_at):<19}  {line.name or '-'}"
        for line in status.lines
    ]
    head = f"version  state    {'applied at':<19}  file"
    last = "up to date" if status.is_up_to_date else "not up to date"
    unknown = [str(line.version) for line in status.lines if line.state == "unknown"]
    if unknown:
        # What another track or a newer release applied: nothing to do here is not the same.
        last = f"ahead of these files, which do not know {', '.join(unknown)}; see --track"
    return "\n".join((head, *rows, f"the database has version {status.version}: {last}"))


def moment(value: Any) -> str:
    return "-" if value is None else value.isoformat(sep=" ", timespec="seconds")


def note_event(event: Mapping[str, Any]) -> None:
    """Tell of each step on stderr, as a line of JSON like the service's log."""
    sys.stderr.write(json.dumps(event) + "\n")


def write(text: str) -> None:
    sys.stdout.write(text + "\n")
