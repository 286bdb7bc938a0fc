"""Sequences of commands and changes that nobody thought of."""

from hypothesis import strategies as st

from tests.goose.case import TABLE, UP, Case, Change, Command, Step, Verb, file, within
from tests.goose.samples import BEGIN, END, WITHOUT_TRANSACTION

VERSIONS = st.integers(1, 5)
OTHER_TABLE = "other.versions"
TABLES = (TABLE, TABLE, TABLE, OTHER_TABLE)
WITH_TARGET = (Verb.UP_TO, Verb.DOWN_TO)
MOST_STEPS = 10

# `{v}` is the version, so that each file has something of its own to make.
TEXTS = (
    file("CREATE TABLE t{v} (a int);", down="DROP TABLE t{v};"),
    file("CREATE TABLE t{v} (a int);", down="DROP TABLE t{v};"),
    file("INSERT INTO log VALUES ('up {v}');", down="INSERT INTO log VALUES ('down {v}');"),
    file("INSERT INTO log VALUES ('up {v}');"),
    file("", down=""),
    file("INSERT INTO log VALUES ('{v}');\nSELECT 1/0;", down="DROP TABLE t{v};"),
    file("CREATE TABLE IF NOT EXISTS t{v} ();", down="DROP TABLE t{v};\nSELECT 1/0;"),
    file(
        "CREATE TABLE t{v} ();\nSELECT 1/0;\nSELECT 1;",
        options=WITHOUT_TRANSACTION,
        down="DROP TABLE t{v};",
    ),
    file(
        "CREATE INDEX CONCURRENTLY i{v} ON log (text);",
        options=WITHOUT_TRANSACTION,
        down="DROP INDEX CONCURRENTLY i{v};\nDROP TABLE t{v};",
    ),
    file(f"{BEGIN}\nDO $$ BEGIN\nCREATE TABLE t{{v}} ();\nEND $$\n{END}", down="DROP TABLE t{v};"),
    file("CREATE TABLE t{v} ();\nCOMMIT;\nSELECT 1/0;", down="DROP TABLE t{v};\nCOMMIT;"),
    file("CREATE TABLE t{v} ()", down="DROP TABLE t{v};"),
    file("CREATE TABLE t{v} ();", down="DROP TABLE t{v}"),
)
# A row that goose would write, one that it wrote in former times, and none.
SQL = (
    "INSERT INTO goose_db_version (version_id, is_applied) VALUES ({v}, true)",
    "INSERT INTO goose_db_version (version_id, is_applied) VALUES ({v}, false)",
    "DELETE FROM goose_db_version WHERE version_id = {v}",
)
# Asked for a version, goose makes its table and ours does not, so begin with one that moves.
BEGINNING = (UP, *within(OTHER_TABLE, UP))
SETUP = "CREATE TABLE log (text text); CREATE SCHEMA other;"


def name_of(version: int) -> str:
    return f"{version:05}_file.sql"


def text_of(version: int, template: str) -> str:
    return template.replace("{v}", str(version))


FILES = st.dictionaries(VERSIONS, st.sampled_from(TEXTS), min_size=1).map(
    lambda files: {name_of(version): text_of(version, text) for version, text in files.items()}
)


@st.composite
def commands(draw: st.DrawFn) -> Command:
    verb = draw(st.sampled_from(Verb))
    return Command(
        verb,
        to=draw(st.integers(0, 6)) if verb in WITH_TARGET else None,
        allow_missing=draw(st.booleans()),
        table=draw(st.sampled_from(TABLES)),
    )


CHANGES = st.one_of(
    FILES.map(lambda files: Change(write=files)),
    VERSIONS.map(lambda version: Change(remove=(name_of(version),))),
    st.builds(lambda v, sql: Change(sql=text_of(v, sql)), VERSIONS, st.sampled_from(SQL)),
)
STEPS: st.SearchStrategy[Step] = st.one_of(commands(), commands(), commands(), CHANGES)
CASES = st.builds(
    lambda files, steps: Case("random", files, (*BEGINNING, *steps), SETUP),
    FILES,
    st.lists(STEPS, min_size=1, max_size=MOST_STEPS),
)
