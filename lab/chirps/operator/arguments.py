"""What is typed behind `chirps migrate COMMAND`, as values or as wrong usage."""

import argparse
import math

from lab.goose import GooseError, Options
from lab.goose.crash import CrashPoint
from lab.goose.files import NEWEST_POSSIBLE
from lab.goose.options import VERSION_TABLE, Lock

Parser = argparse.ArgumentParser
LONGEST_S = 86400.0


def version(text: str) -> int:
    """A version may be a time, as in 20260401090000."""
    if not (text.isascii() and text.isdigit() and int(text) <= NEWEST_POSSIBLE):
        raise argparse.ArgumentTypeError(f"{text!r} is no version (a number, as in 6)")
    return int(text)


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not 0 to {LONGEST_S:.0f} seconds")
    return value


def count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1000")
    return int(text)


def table(text: str) -> str:
    try:
        return Options(table=text).table
    except GooseError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def crash_point(text: str) -> CrashPoint:
    try:
        return CrashPoint.parse(text)
    except GooseError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_common(parser: Parser) -> None:
    parser.add_argument("--track", metavar="T", help="folder of migrations (CHIRPS_TRACK)")
    parser.add_argument(
        "--table",
        type=table,
        default=VERSION_TABLE,
        metavar="NAME",
        help=f"table that keeps what is applied ({VERSION_TABLE})",
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object")


def add_nothing(parser: Parser) -> None:
    """Take no options of one's own."""


def add_to(parser: Parser, help_text: str) -> None:
    parser.add_argument("--to", type=version, metavar="N", help=help_text)


def add_scratch(parser: Parser) -> None:
    parser.add_argument(
        "--scratch",
        metavar="CONNINFO",
        help="an empty database to try files on; it is emptied again. Without it, one is made on "
        "the same server and dropped",
    )


def add_running(parser: Parser) -> None:
    """Add how files run, up or down."""
    parser.add_argument(
        "--lock",
        type=Lock,
        choices=list(Lock),
        default=Lock.NONE,
        metavar="none|try|blocking",
        help="what keeps two runs apart; none is what goose does (none)",
    )
    parser.add_argument(
        "--lock-timeout", type=seconds, metavar="S", help="longest wait for a table, 0 for any"
    )
    parser.add_argument(
        "--statement-timeout", type=seconds, metavar="S", help="longest statement, 0 for any"
    )
    parser.add_argument(
        "--retries", type=count, metavar="N", help="runs of a file again that got no lock"
    )
    parser.add_argument(
        "--crash-at",
        type=crash_point,
        metavar="N:PLACE:WHEN",
        help="die there, to see what is left: 6:2:after is after statement 2 of version 6",
    )


def add_up(parser: Parser) -> None:
    add_to(parser, "stop after version N")
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="apply files that are older than the newest that is applied",
    )
    add_running(parser)


def add_plan(parser: Parser) -> None:
    add_to(parser, "only up to version N; with --down, back to N")
    parser.add_argument("--down", action="store_true", help="of the way back instead")
    add_scratch(parser)


def add_down(parser: Parser) -> None:
    add_to(parser, "go back to version N (one version)")
    parser.add_argument(
        "--data-loss-accepted",
        action="store_true",
        help="take back files that say reversible=loses-data",
    )
    add_scratch(parser)
    add_running(parser)


def add_release(parser: Parser) -> None:
    parser.add_argument("release", metavar="RELEASE", help="as in v1 or v2-naive")


def add_quiet(parser: Parser) -> None:
    add_to(parser, "only the files up to version N")
    parser.add_argument(
        "--quiet-for",
        type=seconds,
        default=60.0,
        metavar="S",
        help="without a fence, look this long for older sessions (60)",
    )


def goose_options(options: argparse.Namespace) -> Options:
    return Options(
        table=options.table,
        allow_missing=getattr(options, "allow_missing", False),
        lock=options.lock,
        lock_timeout_s=options.lock_timeout,
        statement_timeout_s=options.statement_timeout,
        retries=options.retries,
        crash=options.crash_at,
    )
