"""Which statements does one file hold for one direction, and do they run in a transaction?

The format is goose's (github.com/pressly/goose#sql-migrations). A statement ends at a
semicolon that is the last thing on its line, a comment aside, or at the end of a block
between `StatementBegin` and `StatementEnd`. Annotations begin in the first column.
"""

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from lab.goose import envsub
from lab.goose.errors import BadFile

# What Go calls space; Python's own idea of it has four control characters more.
SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000"
)
WORD = re.compile(f"[^{SPACE}]+")
MARK = "+goose"


class Direction(StrEnum):
    UP = "Up"
    DOWN = "Down"


class Annotation(StrEnum):
    UP = "Up"
    DOWN = "Down"
    BLOCK_BEGIN = "StatementBegin"
    BLOCK_END = "StatementEnd"
    NO_TRANSACTION = "NO TRANSACTION"
    ENVSUB_ON = "ENVSUB ON"
    ENVSUB_OFF = "ENVSUB OFF"


@dataclass(frozen=True, slots=True)
class Statement:
    """`line` is where it begins in the file, counted from 1."""

    text: str
    line: int

    def line_of(self, position: int) -> int:
        """Return the line of the file for a character of the text, counted from 1."""
        return self.line + self.text.count("\n", 0, position - 1)


@dataclass(frozen=True, slots=True)
class Script:
    statements: tuple[Statement, ...]
    in_transaction: bool


def parse(
    text: str,
    direction: Direction = Direction.UP,
    *,
    file: str = "migration",
    environ: Mapping[str, str] = os.environ,
) -> Script:
    """Return what `text` holds for `direction`; `file` is named in errors.

    Raises BadFile with the line.
    """
    parser = Parser(direction, file, environ)
    for number, line in enumerate(lines_of(text), start=1):
        parser.number = number
        parser.read(line)
    return parser.finish()


def lines_of(text: str) -> Iterator[str]:
    """Yield the lines: only a newline ends one, and one carriage return before it is dropped."""
    lines = text.split("\n")
    for line in lines if lines[-1] else lines[:-1]:
        yield line.removesuffix("\r")


def is_comment(line: str) -> bool:
    return line.strip(SPACE).startswith("--")


def ends_statement(line: str) -> bool:
    last = ""
    for word in WORD.findall(line):
        if word.startswith("--"):
            break
        last = word
    return last.endswith(";")


@dataclass(slots=True)
class Parser:
    """What is known after the lines read so far; `number` is the line being read."""

    direction: Direction
    file: str
    environ: Mapping[str, str]
    number: int = 0
    section: Direction | None = None
    block: int | None = None
    """The line of the StatementBegin that is open."""
    in_transaction: bool = True
    substitutes: bool = False
    buffer: list[str] = field(default_factory=list)
    """Lines of a statement that has not ended yet."""
    begun: int = 0
    """The line of the first of them."""
    statements: list[Statement] = field(default_factory=list)

    def read(self, line: str) -> None:
        if is_comment(line) and MARK in line:
            self.obey(self.annotation(line))
        elif self.buffer or not (is_comment(line) or line == ""):
            self.read_sql(line)

    def annotation(self, line: str) -> Annotation:
        if line[0] in " \t":
            raise self.problem("an annotation begins in the first column")
        said = line.replace("--", "").replace(MARK, "", 1).strip(SPACE)
        for annotation in Annotation:
            if annotation.casefold() == said.casefold():
                return annotation
        raise self.problem(f"goose knows no annotation {said!r}")

    def obey(self, annotation: Annotation) -> None:
        match annotation:
            case Annotation.UP:
                self.begin_up()
            case Annotation.DOWN:
                self.begin_down()
            case Annotation.BLOCK_BEGIN:
                self.begin_block()
            case Annotation.BLOCK_END:
                self.end_block()
            case Annotation.NO_TRANSACTION:
                self.in_transaction = False
            case Annotation.ENVSUB_ON | Annotation.ENVSUB_OFF:
                self.substitutes = annotation is Annotation.ENVSUB_ON

    def begin_up(self) -> None:
        if self.section is not None:
            raise self.problem("a second Up")
        self.section = Direction.UP

    def begin_down(self) -> None:
        if self.section is not Direction.UP or self.block is not None:
            raise self.problem("Down must come once, after Up and outside of a block")
        self.require_ended()
        self.section = Direction.DOWN

    def begin_block(self) -> None:
        if self.section is None or self.block is not None:
            raise self.problem("StatementBegin must come after Up or Down and outside of a block")
        self.block = self.number

    def end_block(self) -> None:
        if self.block is None:
            raise self.problem("StatementEnd without StatementBegin")
        if self.section is self.direction:
            # goose lets the next line take the place of the statement that is not there.
            if not self.text():
                raise self.problem("the block holds no statement")
            self.store()
        self.block = None

    def read_sql(self, line: str) -> None:
        if self.section is None:
            if line.strip(SPACE):
                raise self.problem("a statement before Up")
            return
        line = self.substituted(line)
        if self.section is not self.direction:
            return
        if not self.buffer:
            self.begun = self.number
        self.buffer.append(line)
        if self.block is None and ends_statement(line):
            self.store()

    def substituted(self, line: str) -> str:
        if not self.substitutes:
            return line
        try:
            return envsub.substitute(line, self.environ)
        except ValueError as exc:
            raise self.problem(str(exc)) from exc

    def text(self) -> str:
        return "\n".join(self.buffer).strip(SPACE)

    def store(self) -> None:
        whole = "\n".join(self.buffer)
        blank = whole[: len(whole) - len(whole.lstrip(SPACE))]
        self.statements.append(Statement(self.text(), self.begun + blank.count("\n")))
        self.buffer.clear()

    def require_ended(self) -> None:
        if self.text():
            raise self.problem("the statement has no semicolon at its end", line=self.begun)
        self.buffer.clear()

    def finish(self) -> Script:
        if self.section is None:
            raise BadFile("no Up annotation", file=self.file)
        if self.block is not None:
            raise self.problem("StatementBegin without StatementEnd", line=self.block)
        self.require_ended()
        return Script(tuple(self.statements), self.in_transaction)

    def problem(self, reason: str, *, line: int | None = None) -> BadFile:
        return BadFile(reason, file=self.file, line=line or self.number)
