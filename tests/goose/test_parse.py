"""One file to statements: what a statement is, where it begins, what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.goose import BadFile, Direction, GooseError, Statement, parse
from lab.goose.parse import Annotation
from tests.goose.corpus import CASES

many = settings(max_examples=60, deadline=None)

ANNOTATIONS = [f"-- +goose {each}" for each in Annotation]
words = st.text("ab1_'%\u00e9\u8a9e ", max_size=8)
lines = st.one_of(
    st.sampled_from([*ANNOTATIONS, "", "  ", "-- note;", ";", "$A ${B:-c}", "-- +lab a=b"]),
    words,
    words.map(lambda text: text + ";"),
)
# What stands alone in a statement without a block: no semicolon at the end of a line but the last.
inner = st.lists(st.text("ab1=(), ", min_size=1, max_size=12), min_size=1, max_size=3).map(
    "\n".join
)
simple = inner.map(str.strip).filter(bool).map(lambda text: f"{text};")
blocks = st.lists(st.text("ab;$ ", max_size=12), min_size=1, max_size=4).map("\n".join)
block = blocks.map(str.strip).filter(bool)


def up(text: str, **environ: str) -> list[str]:
    return [each.text for each in parse(text, environ=environ).statements]


def reason_of(text: str, direction: Direction) -> str | None:
    """Return why a text is refused; None when it is read, with no statement empty."""
    try:
        script = parse(text, direction, environ={"A": "x"})
    except GooseError as exc:
        return exc.message
    assert all(each.text.strip() for each in script.statements)
    return None


@many
@given(
    ups=st.lists(st.tuples(st.booleans(), simple, block), max_size=5),
    downs=st.lists(simple, max_size=3),
    in_transaction=st.booleans(),
    ending=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_read_back(
    ups: list[tuple[bool, str, str]], downs: list[str], in_transaction: bool, ending: str
) -> None:
    wanted: list[str] = []
    written = [] if in_transaction else ["-- +goose NO TRANSACTION"]
    written.append("-- +goose Up")
    for is_block, plain, inside in ups:
        wanted.append(inside if is_block else plain)
        begin, end = ["-- +goose StatementBegin"], ["-- +goose StatementEnd"]
        written += [*begin, inside, *end] if is_block else ["", "-- a note", plain]
    written += ["-- +goose Down", *downs]
    text = ending.join("\n".join(written).split("\n")) + ending

    script = parse(text)

    assert [each.text for each in script.statements] == wanted
    assert script.in_transaction == in_transaction
    assert [each.text for each in parse(text, Direction.DOWN).statements] == downs
    for each in script.statements:
        first = each.text.split("\n")[0]
        assert text.split("\n")[each.line - 1].rstrip("\r").strip().startswith(first.strip())


@many
@given(st.lists(lines, max_size=12).map("\n".join) | st.text(max_size=80))
def test_any_text_is_read_or_refused_with_a_reason(text: str) -> None:
    reasons = [reason_of(text, direction) for direction in Direction]

    assert all(reason is None or reason.startswith("migration") for reason in reasons)


@pytest.mark.parametrize("direction", Direction)
def test_the_files_of_the_corpus_are_read_or_refused(direction: Direction) -> None:
    texts = [text for case in CASES for text in case.files.values() if text is not None]
    refusals = [reason_of(text, direction) for text in texts]

    assert all(reason is None or reason.startswith("migration") for reason in refusals)
    assert len(set(refusals)) > 10


def test_a_statement_knows_the_line_it_begins_on() -> None:
    text = "-- +goose Up\n\n-- why\nSELECT\n  1;\n  \n\nSELECT 2;\n"

    assert parse(text).statements == (Statement("SELECT\n  1;", 4), Statement("SELECT 2;", 8))


def test_a_position_in_a_statement_is_a_line_of_the_file() -> None:
    statement = Statement("SELECT\n  a,\n  b;", 4)

    assert [statement.line_of(position) for position in (1, 7, 8, 12, 13)] == [4, 4, 5, 5, 6]


def test_the_two_directions_do_not_mix() -> None:
    text = "-- +goose Up\nCREATE TABLE a ();\n-- +goose Down\nDROP TABLE a;\n"

    assert up(text) == ["CREATE TABLE a ();"]
    assert [each.text for each in parse(text, Direction.DOWN).statements] == ["DROP TABLE a;"]


@pytest.mark.parametrize(
    ("line", "ends"),
    [
        ("SELECT 1;", True),
        ("SELECT 1; -- done", True),
        ("SELECT 1;\t", True),
        ("SELECT 1; --", True),
        ("SELECT 1;-- glued", False),
        ("SELECT 1; SELECT 2", False),
        ("SELECT 1 -- later;", False),
        (";", True),
    ],
)
def test_a_statement_ends_at_the_last_semicolon_of_a_line(line: str, ends: bool) -> None:
    text = f"-- +goose Up\n{line}\n"

    if ends:
        assert up(text) == [line.strip()]
    else:
        with pytest.raises(BadFile, match="no semicolon"):
            up(text)


def test_comments_inside_of_a_statement_stay_and_those_between_go() -> None:
    text = "-- +goose Up\n-- between\nSELECT\n-- inside\n1;\n-- behind\n"

    assert up(text) == ["SELECT\n-- inside\n1;"]


def test_variables_are_put_in_only_where_it_is_switched_on() -> None:
    text = (
        "-- +goose Up\nSELECT '$A';\n-- +goose ENVSUB ON\nSELECT '$A';\n"
        "-- +goose ENVSUB OFF\nSELECT '$A';\n"
    )

    assert up(text, A="x") == ["SELECT '$A';", "SELECT 'x';", "SELECT '$A';"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "m.sql: no Up annotation"),
        ("SELECT 1;", "m.sql line 1: a statement before Up"),
        ("-- +goose Up\n\n-- +goose Up", "m.sql line 3: a second Up"),
        ("-- +goose Up\nSELECT\n1", "m.sql line 2: the statement has no semicolon at its end"),
        (
            "-- +goose Up\n-- +goose Sideways",
            "m.sql line 2: goose knows no annotation 'Sideways'",
        ),
        (" -- +goose Up", "m.sql line 1: an annotation begins in the first column"),
        (
            "-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n",
            "m.sql line 2: StatementBegin without StatementEnd",
        ),
        (
            "-- +goose Up\n-- +goose StatementEnd",
            "m.sql line 2: StatementEnd without StatementBegin",
        ),
        (
            "-- +goose Up\n-- +goose StatementBegin\n-- +goose StatementEnd",
            "m.sql line 3: the block holds no statement",
        ),
        (
            "-- +goose Up\n-- +goose ENVSUB ON\nSELECT ${A?tell me};",
            "m.sql line 3: $A: tell me",
        ),
    ],
)
def test_a_refusal_names_the_file_and_the_line(text: str, message: str) -> None:
    with pytest.raises(BadFile) as caught:
        parse(text, file="m.sql", environ={})

    assert caught.value.message == message
