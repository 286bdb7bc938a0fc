"""What does a line say once its variables are put in? (`-- +goose ENVSUB ON`)

The rules are goose's, which are a part of the shell's: `$NAME`, `${NAME}`,
`${NAME:-if empty}`, `${NAME-if unset}`, `${NAME?message}`, `${NAME:offset:length}`.
A variable that is not set is empty. `$$` and `\\$` are one dollar, so a body between
`$$` does not survive; `$(` and `\\\\` stay as they are.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

NUMBER = re.compile(r"[+-]?[0-9]{1,9}")
PLAIN = re.compile(r"[^$\\}]+")
PAIRS = {"\\\\": "\\\\", "\\$": "$", "$$": "$", "$(": "$("}
DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Expansion:
    """A variable and what to do with it; `content` is what stands after the operator."""

    name: str
    operator: str = ""
    content: tuple["str | Expansion", ...] = ()
    offset: int = 0
    length: int | None = None


Expression = tuple[str | Expansion, ...]


def substitute(line: str, environ: Mapping[str, str]) -> str:
    """Raises ValueError with the reason when an expansion is malformed or a variable required."""
    return expand(Reader(line).expression(), environ)


def expand(expression: Expression, environ: Mapping[str, str]) -> str:
    return "".join(
        part if isinstance(part, str) else expand_one(part, environ) for part in expression
    )


def expand_one(expansion: Expansion, environ: Mapping[str, str]) -> str:
    found = environ.get(expansion.name)
    match expansion.operator:
        case ":-":
            return found or expand(expansion.content, environ)
        case "-" if found is None:
            return expand(expansion.content, environ)
        case "?" if found is None:
            said = expand(expansion.content, environ) or "not set"
            raise ValueError(f"${expansion.name}: {said}")
        case ":":
            return cut(found or "", expansion.offset, expansion.length)
    return found or ""


def cut(value: str, offset: int, length: int | None) -> str:
    """Negative numbers count from the end; what lies outside of the value is not there."""
    start = min(max(offset + len(value), 0) if offset < 0 else offset, len(value))
    if length is None:
        return value[start:]
    end = max(len(value) + length, start) if length < 0 else start + length
    return value[start:end]


@dataclass(slots=True)
class Reader:
    """Reads one line from `position` on."""

    line: str
    position: int = 0
    depth: int = 0

    def expression(self, *, stop: str = "") -> Expression:
        """Read until the character `stop`, or to the end."""
        parts: list[str | Expansion] = []
        while self.position < len(self.line) and not (stop and self.sees(stop)):
            parts.append(self.part())
        return tuple(parts)

    def part(self) -> str | Expansion:
        if plain := PLAIN.match(self.line, self.position):
            self.position = plain.end()
            return plain[0]
        for written, meant in PAIRS.items():
            if self.sees(written):
                self.position += 2
                return meant
        special = self.line[self.position]
        self.position += 1
        if special == "$" and self.position < len(self.line):
            return self.braces() if self.sees("{") else Expansion(self.identifier())
        return special

    def braces(self) -> Expansion:
        self.depth += 1
        if self.depth > DEEPEST:
            raise ValueError("variables are nested too deeply")
        self.take("{")
        name = self.identifier()
        expansion = Expansion(name) if self.sees("}") else self.operation(name)
        self.take("}")
        self.depth -= 1
        return expansion

    def operation(self, name: str) -> Expansion:
        for operator in (":-", "-", "?"):
            if self.sees(operator):
                self.position += len(operator)
                return Expansion(name, operator, self.expression(stop="}"))
        self.take(":")
        offset = self.number(until=":}")
        if not self.sees(":"):
            return Expansion(name, ":", offset=offset)
        self.take(":")
        return Expansion(name, ":", offset=offset, length=self.number(until="}"))

    def identifier(self) -> str:
        if not self.line[self.position : self.position + 1].isalpha():
            raise ValueError(f"expected a variable at {self.line[self.position :]!r}")
        return self.scan(lambda c: c.isalpha() or c.isnumeric() or c == "_")

    def number(self, *, until: str) -> int:
        text = self.scan(lambda c: c not in until).strip()
        if not NUMBER.fullmatch(text):
            raise ValueError(f"expected a number, not {text!r}")
        return int(text)

    def scan(self, belongs: Callable[[str], bool]) -> str:
        start = self.position
        while self.position < len(self.line) and belongs(self.line[self.position]):
            self.position += 1
        return self.line[start : self.position]

    def sees(self, text: str) -> bool:
        return self.line.startswith(text, self.position)

    def take(self, text: str) -> None:
        if not self.sees(text):
            raise ValueError(f"expected {text!r} at {self.line[self.position :]!r}")
        self.position += len(text)
