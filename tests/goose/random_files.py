"""Files made of lines that a parser may stumble over, the same ones for the same seed."""

import random
from collections.abc import Iterator

BEGIN, END = "-- +goose StatementBegin", "-- +goose StatementEnd"
SQL = (
    "INSERT INTO log (text) VALUES ('a');",
    "INSERT INTO log (text) VALUES ('b'); -- behind",
    "INSERT INTO log (text)",
    "VALUES ('c');",
    "VALUES ('$LAB_WORD ${LAB_EMPTY:-x}');",
    "INSERT INTO log (text) VALUES ('${LAB_WORD:1:2}|${LAB_NONE-z}|\\$x|${LAB_WORD: -2}');",
    "VALUES ('$1');",
    "SELECT '$$;';",
    "SELECT 1;SELECT 2;",
    "SELECT 1;--",
    "SELECT 1; --\u2003x",
    "SELECT 1;\x1c",
    ";",
    ";;",
    "'",
    "/* c */",
    "-- note;",
    " -- indented",
    "",
    "  ",
    "\u00a0",
    "\x0b",
    "\x1f",
    "\r",
)
ANNOTATIONS = (
    "-- +goose Down",
    "-- +goose NO TRANSACTION",
    "-- +goose ENVSUB ON",
    "-- +goose ENVSUB ON",
    "-- +goose ENVSUB OFF",
    BEGIN,
    END,
    "--+goose down",
    "\t-- +goose Down",
    "-- +goose",
)


def random_files(*, seed: int, number: int) -> Iterator[str]:
    chance = random.Random(seed)
    for _ in range(number):
        lines = ["-- +goose Up"] if chance.random() < 0.9 else []
        for _ in range(chance.randint(0, 6)):
            lines += random_lines(chance)
        yield "\n".join(lines) + chance.choice(("", "\n"))


def random_lines(chance: random.Random) -> list[str]:
    match chance.randrange(8):
        case 0:
            return [chance.choice(ANNOTATIONS)]
        case 1 | 2:
            # Never empty, since an empty block is read differently on purpose.
            return [BEGIN, "SELECT", *chance.choices(SQL, k=2), END]
    return [chance.choice(SQL)]
