"""Up, with files that come late or are gone, and with rows that goose would not write."""

from tests.goose.case import STATUS, UP, UP_BY_ONE, VERSION, Case, Change, allowing, file, up_to
from tests.goose.samples import CHIRPS, LATE, LATE_COMES, ROWS, TAGS, TAGS_BACK, THREE, USERS

FIFTH = file("CREATE TABLE fifth ();", down="DROP TABLE fifth;")

ORDER = (
    Case("a file that came late", LATE, (UP, LATE_COMES, UP, STATUS, VERSION)),
    Case("a file that came late, below the target", LATE, (UP, LATE_COMES, up_to(2), up_to(3))),
    Case("a file that came late, above the target", LATE, (UP, LATE_COMES, up_to(1))),
    Case("a late file and a new one", LATE, (up_to(1), LATE_COMES, UP, STATUS)),
    Case("the database is ahead", THREE, (UP, Change(remove=("00003_tags.sql",)), UP, VERSION)),
    Case(
        "the database is far ahead of a new file",
        THREE,
        (UP, Change(sql=f"{ROWS} (99, true)"), UP, Change(write={"4_a.sql": TAGS}), UP, STATUS),
    ),
    Case(
        "a version that was applied twice",
        THREE,
        (UP, Change(sql=f"{ROWS} (2, true)"), UP, VERSION),
    ),
    Case(
        "a version that is not applied any more",
        THREE,
        (UP, Change(sql=f"{ROWS} (3, false)"), UP, VERSION),
    ),
    Case(
        "a row that was removed by hand",
        THREE,
        (UP, Change(sql="DELETE FROM goose_db_version WHERE version_id = 3"), UP, STATUS),
    ),
    Case("no rows at all", THREE, (UP, Change(sql="DELETE FROM goose_db_version"), UP, VERSION)),
    Case(
        "a version table of another shape",
        THREE,
        (UP,),
        "CREATE TABLE goose_db_version (version int)",
    ),
    Case(
        "a view in place of the version table",
        THREE,
        (UP,),
        "CREATE VIEW goose_db_version AS SELECT 1",
    ),
    Case(
        "an older table with a serial id",
        THREE,
        (UP, STATUS, VERSION),
        "CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, "
        "is_applied boolean NOT NULL, tstamp timestamp DEFAULT now());"
        f"{ROWS} (0, true), (1, true); CREATE TABLE users (id int PRIMARY KEY);",
    ),
)

ALLOWED = (
    Case("late, and allowed", LATE, (UP, LATE_COMES, allowing(UP), STATUS, VERSION, UP)),
    Case("nothing is late, and it would be allowed", THREE, (allowing(UP), allowing(UP), STATUS)),
    Case("late, and allowed up to itself", LATE, (UP, LATE_COMES, allowing(up_to(2)), STATUS)),
    Case("late, and allowed up to less", LATE, (UP, LATE_COMES, allowing(up_to(1)), STATUS)),
    Case(
        "a late file and a new one, and allowed",
        LATE,
        (
            UP,
            Change(write={"00002_chirps.sql": CHIRPS, "00005_fifth.sql": FIFTH}),
            allowing(up_to(3)),
            allowing(UP),
            STATUS,
            VERSION,
        ),
    ),
    Case(
        "a late file fails, and new ones wait",
        LATE,
        (
            UP,
            Change(write={"00002_chirps.sql": file("SELECT 1/0;"), "00005_fifth.sql": FIFTH}),
            allowing(UP),
            STATUS,
            LATE_COMES,
            allowing(UP),
            VERSION,
        ),
    ),
    Case(
        "late files one by one",
        {"00003_tags.sql": TAGS_BACK},
        (
            UP,
            Change(write={"00001_users.sql": USERS, "00002_chirps.sql": CHIRPS}),
            UP_BY_ONE,
            allowing(UP_BY_ONE),
            allowing(UP_BY_ONE),
            allowing(UP_BY_ONE),
            STATUS,
        ),
    ),
    Case(
        "late, below a version without a file",
        LATE,
        (UP, Change(sql=f"{ROWS} (99, true)"), LATE_COMES, UP, allowing(UP), STATUS, VERSION),
    ),
)

ONE_BY_ONE = (
    Case("up by one, until there is none", THREE, (*[UP_BY_ONE] * 4, STATUS, VERSION)),
    Case("up by one after some", THREE, (up_to(1), UP_BY_ONE, VERSION)),
    Case("up by one with a file that fails", {"1_a.sql": file("SELECT 1/0;")}, (UP_BY_ONE, STATUS)),
    Case("up by one of a folder without files", {}, (UP_BY_ONE,)),
    Case(
        "up by one on a database that is ahead",
        LATE,
        (UP, Change(sql=f"{ROWS} (9, true)"), UP_BY_ONE),
    ),
)

ORDERS = (*ORDER, *ALLOWED, *ONE_BY_ONE)
