"""The sample service: run it, migrate its database, fill it.

exit codes: 0 done, 1 no (refused, or something is pending), 2 cannot tell (the database does
not answer, or the role has no right) or wrong usage, 78 the configuration holds mistakes
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence

from lab.chirps import settings
from lab.chirps.errors import ChirpsError
from lab.chirps.operator.answer import Says
from lab.chirps.operator.cli import add_migrate

Options = argparse.Namespace
Environ = Mapping[str, str]
# As a shell tells of a program that SIGINT ended.
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str], environ: Environ | None = None) -> int:
    """Run one command and return its exit code; argparse exits with 2 on wrong usage."""
    options = make_parser().parse_args(arguments)
    try:
        return int(options.run(options, os.environ if environ is None else environ))
    except ChirpsError as error:
        sys.stderr.write("\n".join((f"Error: {error}", *in_lines(error))) + "\n")
        if getattr(options, "json", False):
            write(json.dumps(as_json(error)))
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("stopped\n")
        return EXIT_INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    description, _, epilog = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(prog="chirps", description=description, epilog=epilog)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("serve", help="run the service").set_defaults(run=serve)
    add_migrate(commands.add_parser("migrate", help="migrate the database, or ask about it"))
    add_seed(commands.add_parser("seed", help="fill an empty database"))
    return parser


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


def seed(options: Options, environ: Environ) -> int:
    from lab.chirps.seed import seed

    asked = settings.read(environ)
    filled = seed(asked, users=options.users, chirps=options.chirps, if_empty=options.if_empty)
    what = f"{options.users} users and {options.chirps} chirps"
    write(f"filled with {what}" if filled else "filled already; nothing was done")
    return 0


def in_lines(error: ChirpsError) -> tuple[str, ...]:
    """Return what to type after it, as answers say it."""
    return ("next:", *(f"  {step}" for step in error.next_steps)) if error.next_steps else ()


def as_json(error: ChirpsError) -> dict[str, object]:
    """Return what a program reads that asked and got no answer."""
    said = next((says for says in Says if says.exit_code == error.exit_code), Says.CANNOT_TELL)
    return {"answer": str(said), "sentence": str(error), "next": list(error.next_steps)}


def write(text: str) -> None:
    sys.stdout.write(text + "\n")
