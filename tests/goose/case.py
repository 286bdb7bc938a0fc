"""What is played on both runners: files, and commands and changes one after the other."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

Files = Mapping[str, str | None]
"""Text by name; None is a directory of that name."""

TABLE = "goose_db_version"


class Verb(StrEnum):
    UP = "up"
    UP_TO = "up-to"
    UP_BY_ONE = "up-by-one"
    DOWN = "down"
    DOWN_TO = "down-to"
    REDO = "redo"
    RESET = "reset"
    STATUS = "status"
    VERSION = "version"


@dataclass(frozen=True, slots=True)
class Command:
    """`table` is what goose is given with -table."""

    verb: Verb
    to: int | None = None
    allow_missing: bool = False
    table: str = TABLE


@dataclass(frozen=True, slots=True)
class Change:
    """Between two commands: files written anew, removed, and SQL run on both databases."""

    write: Files | None = None
    remove: tuple[str, ...] = ()
    sql: str = ""


Step = Command | Change
UP = Command(Verb.UP)
UP_BY_ONE = Command(Verb.UP_BY_ONE)
DOWN = Command(Verb.DOWN)
REDO = Command(Verb.REDO)
RESET = Command(Verb.RESET)
STATUS = Command(Verb.STATUS)
VERSION = Command(Verb.VERSION)


def up_to(version: int) -> Command:
    return Command(Verb.UP_TO, version)


def down_to(version: int) -> Command:
    return Command(Verb.DOWN_TO, version)


def allowing(command: Command) -> Command:
    """The same command, which may apply what came late."""
    return replace(command, allow_missing=True)


def within(table: str, *commands: Command) -> tuple[Command, ...]:
    """The same commands with another version table."""
    return tuple(replace(command, table=table) for command in commands)


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    files: Files
    steps: tuple[Step, ...] = (UP,)
    sql: str = ""
    """Run on both databases before."""


@dataclass(frozen=True, slots=True)
class Deviation:
    """The last command of `case` does not come to the same, whoever succeeds; those before do."""

    case: Case
    why: str
    goose_succeeds: bool = True
    ours_succeeds: bool = True


def file(body: str, *, options: str = "", down: str | None = None) -> str:
    """A file whose Up part is `body`; without `down` it has no Down at all."""
    end = "" if down is None else f"-- +goose Down\n{down}\n"
    return f"{options}-- +goose Up\n{body}\n{end}"


def one(name: str, text: str, *steps: Step, sql: str = "") -> Case:
    """A case of one file, with the table `base` there before."""
    base = "CREATE TABLE base (id int PRIMARY KEY, name text);" + sql
    return Case(name, {"00001_one.sql": text}, steps or (UP,), base)
