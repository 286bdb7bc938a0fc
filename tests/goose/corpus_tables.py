"""Version tables of other names (goose's -table), which goose puts into its SQL as they are."""

from tests.goose.case import (
    DOWN,
    REDO,
    RESET,
    STATUS,
    UP,
    UP_BY_ONE,
    VERSION,
    Case,
    Change,
    Command,
    allowing,
    down_to,
    file,
    within,
)
from tests.goose.samples import BOTH_WAYS, CHIRPS, TAGS, USERS

ALL = (UP, STATUS, VERSION, DOWN, REDO, down_to(1), RESET, UP_BY_ONE, VERSION)
SOME = (UP, STATUS, DOWN, VERSION)


def named(name: str, table: str, *commands: Command, sql: str = "") -> Case:
    return Case(name, BOTH_WAYS, within(table, *(commands or SOME)), sql)


TABLES = (
    named("a version table of another name", "chirps_versions", *ALL),
    named("a version table in a schema", "app.versions", *ALL, sql="CREATE SCHEMA app"),
    named("a version table in the schema that is there", "public.goose_db_version"),
    Case(
        "a version table with a schema, and without",
        BOTH_WAYS,
        (UP, *within("public.goose_db_version", DOWN), UP, VERSION),
    ),
    named("a version table in a schema that is not there", "app.versions", UP),
    named("a table of another shape and name", "versions", *ALL, sql="CREATE TABLE versions ();"),
    named("a version table with capitals, which are folded", "Versions"),
    named("a version table in quotes", '"Odd Name"'),
    named(
        "a version table in a schema in quotes",
        '"My Schema"."Versions"',
        sql='CREATE SCHEMA "My Schema"',
    ),
    named("a version table with a quote in its name", '"a""b"'),
    named("a version table with a percent sign", '"100%s"'),
    named("a version table with a dollar sign", "a$1"),
    named("a version table with letters of other scripts", "sürüm"),
    named("a version table with a long name", "v" * 63),
    named("a version table with a name that is cut", "v" * 99),
    named("a version table whose name is a keyword that may be one", "version"),
    named("a version table whose name is reserved", "user", UP),
    named("a version table whose name is reserved, in quotes", '"user"'),
    named("a version table of a catalog", "pg_catalog.versions", UP),
    named("a version table in another database", "other.public.versions", UP),
    named("a temporary version table", "pg_temp.versions", UP),
    Case(
        "two version tables, one set of files each",
        {"1_u.sql": USERS},
        (
            *within("a_versions", UP, STATUS),
            Change(remove=("1_u.sql",), write={"1_t.sql": TAGS, "2_c.sql": CHIRPS}),
            *within("b_versions", UP, STATUS, DOWN, VERSION),
            *within("a_versions", VERSION, UP),
        ),
    ),
    Case(
        "the same files under two version tables",
        {"1_t.sql": file("CREATE TABLE IF NOT EXISTS tags ();", down="DROP TABLE tags;")},
        (UP, *within("other", UP, STATUS, DOWN), DOWN, VERSION),
    ),
    Case(
        "late, and allowed, in another version table",
        {"1_u.sql": USERS, "3_t.sql": TAGS},
        (
            *within("other", UP),
            Change(write={"2_c.sql": CHIRPS}),
            *within("other", UP, allowing(UP), STATUS),
        ),
    ),
    Case(
        "a version table of another shape in a schema",
        BOTH_WAYS,
        within("app.versions", UP, DOWN, RESET),
        "CREATE SCHEMA app; CREATE TABLE app.versions (version int)",
    ),
)
