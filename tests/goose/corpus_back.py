"""The way back: down, down-to, redo and reset."""

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
    allowing,
    down_to,
    file,
    one,
    up_to,
)
from tests.goose.samples import (
    BEGIN,
    BOTH_WAYS,
    END,
    LATE_BACK,
    LATE_COMES,
    TAGS,
    TAGS_BACK,
    THREE,
    USERS,
    WITHOUT_TRANSACTION,
)

BACK = (
    Case("all the way back, and up again", BOTH_WAYS, (UP, *[DOWN] * 4, STATUS, VERSION, UP)),
    Case("down on a new database", BOTH_WAYS, (DOWN, VERSION)),
    Case(
        "down to a version", BOTH_WAYS, (UP, down_to(1), STATUS, VERSION, down_to(0), VERSION, UP)
    ),
    Case(
        "down to a version between two files",
        {"1_a.sql": USERS, "5_b.sql": TAGS_BACK},
        (UP, down_to(3), VERSION),
    ),
    Case("down to a version beyond the last", BOTH_WAYS, (UP, down_to(9), VERSION)),
    Case("down to the version that it has", BOTH_WAYS, (UP, down_to(3), VERSION)),
    Case("down to a version on a new database", BOTH_WAYS, (down_to(0), VERSION)),
    Case("down without files", {}, (DOWN, down_to(0), REDO, RESET)),
    Case("no Down at all", {"1_tags.sql": TAGS}, (UP, DOWN, VERSION, UP)),
    Case(
        "an empty Down",
        {"1_tags.sql": file("CREATE TABLE tags ();", down="")},
        (UP, DOWN, STATUS, UP),
    ),
    Case(
        "a Down of comments",
        {"1_tags.sql": file("CREATE TABLE tags ();", down="-- gone;\n")},
        (UP, DOWN, VERSION),
    ),
    one(
        "a Down that does not end",
        file("CREATE TABLE a ();", down="DROP TABLE a"),
        UP,
        DOWN,
        VERSION,
    ),
    one(
        "a Down with a block",
        file("CREATE TABLE a ();", down=f"{BEGIN}\nDO $$ BEGIN\nDROP TABLE a;\nEND $$\n{END}"),
        UP,
        DOWN,
        UP,
    ),
    one(
        "a Down with variables",
        file("CREATE TABLE a ();", down="-- +goose ENVSUB ON\nCOMMENT ON TABLE a IS '$LAB_WORD';"),
        UP,
        DOWN,
    ),
    one(
        "variables only in Up",
        file(
            "-- +goose ENVSUB ON\nSELECT '$LAB_WORD';\n-- +goose ENVSUB OFF",
            down="INSERT INTO base VALUES (1, '$LAB_WORD');",
        ),
        UP,
        DOWN,
    ),
    one(
        "variables of Up hold in Down",
        file("-- +goose ENVSUB ON\nSELECT 1;", down="INSERT INTO base VALUES (1, '$LAB_WORD');"),
        UP,
        DOWN,
    ),
    one(
        "a Down fails half way",
        file("CREATE TABLE a ();", down="DROP TABLE a;\nDROP TABLE b;"),
        UP,
        DOWN,
        STATUS,
        DOWN,
    ),
    one(
        "a Down that fails at COMMIT",
        file("INSERT INTO base VALUES (1);", down="DELETE FROM base;\nINSERT INTO b VALUES (1);"),
        UP,
        DOWN,
        VERSION,
        sql="CREATE TABLE b (id int REFERENCES base DEFERRABLE INITIALLY DEFERRED);",
    ),
    one(
        "a Down is repaired and run again",
        file("CREATE TABLE a ();", down="DROP TABLE b;"),
        UP,
        DOWN,
        Change(write={"00001_one.sql": file("CREATE TABLE a ();", down="DROP TABLE a;")}),
        DOWN,
        UP,
    ),
    one(
        "a Down outside of a transaction",
        file(
            "CREATE INDEX CONCURRENTLY i ON base (name);",
            options=WITHOUT_TRANSACTION,
            down="DROP INDEX CONCURRENTLY i;",
        ),
        UP,
        DOWN,
        UP,
        REDO,
    ),
    one(
        "a Down outside of a transaction fails half way",
        file(
            "CREATE TABLE a ();\nCREATE TABLE b ();",
            options=WITHOUT_TRANSACTION,
            down="DROP TABLE b;\nDROP TABLE b;\nDROP TABLE a;",
        ),
        UP,
        DOWN,
        STATUS,
        DOWN,
        VERSION,
    ),
    one(
        "a Down that needs no transaction but has one",
        file("CREATE INDEX i ON base (name);", down="DROP INDEX CONCURRENTLY i;"),
        UP,
        DOWN,
        VERSION,
    ),
    one(
        "a Down that commits by itself",
        file("CREATE TABLE a ();", down="DROP TABLE a;\nCOMMIT;\nSELECT 1/0;"),
        UP,
        DOWN,
        STATUS,
    ),
    one(
        "a Down that drops the version table",
        file("SELECT 1;", down="DROP TABLE goose_db_version;"),
        UP,
        DOWN,
        VERSION,
    ),
    one(
        "the connection of a Down is ended",
        file(
            "CREATE TABLE a ();",
            down="DROP TABLE a;\nSELECT pg_terminate_backend(pg_backend_pid());",
        ),
        UP,
        DOWN,
        STATUS,
    ),
    Case(
        "one of several fails on the way back",
        {**BOTH_WAYS, "00002_chirps.sql": file("CREATE TABLE chirps ();", down="SELECT 1/0;")},
        (UP, down_to(0), STATUS, VERSION, down_to(0)),
    ),
    Case(
        "a file that is bad on the way back",
        BOTH_WAYS,
        (UP, Change(write={"00002_chirps.sql": "nothing"}), down_to(0), STATUS, RESET, STATUS),
    ),
    Case(
        "back with a number that is there twice",
        BOTH_WAYS,
        (UP, Change(write={"3_again.sql": TAGS}), DOWN, down_to(0), REDO, RESET, VERSION),
    ),
    Case(
        "back with a name without a number",
        BOTH_WAYS,
        (UP, Change(write={"again.sql": TAGS}), DOWN, VERSION),
    ),
)

ALLOWED = (UP, LATE_COMES, allowing(UP))

BACK_OUT_OF_ORDER = (
    Case("back one by one after a late file", LATE_BACK, (*ALLOWED, *[DOWN] * 4, VERSION)),
    Case("back to the late file", LATE_BACK, (*ALLOWED, down_to(2), STATUS, VERSION)),
    Case("back to below the late file", LATE_BACK, (*ALLOWED, down_to(1), STATUS, VERSION)),
    Case("back to the start after a late file", LATE_BACK, (*ALLOWED, down_to(0), STATUS)),
    Case("the late file once more", LATE_BACK, (*ALLOWED, REDO, STATUS, DOWN, VERSION)),
    Case("a reset after a late file", LATE_BACK, (*ALLOWED, RESET, STATUS, VERSION)),
    Case(
        "up by one after a late file",
        LATE_BACK,
        (*ALLOWED, UP_BY_ONE, DOWN, UP_BY_ONE, allowing(UP_BY_ONE), VERSION),
    ),
)

AGAIN = (
    Case("the last one again", BOTH_WAYS, (UP, REDO, STATUS, VERSION)),
    Case("one again on a new database", BOTH_WAYS, (REDO, VERSION)),
    Case("one again that has no Down", {"1_tags.sql": TAGS}, (UP, REDO, STATUS)),
    Case(
        "one again whose Down fails",
        {"1_a.sql": file("CREATE TABLE a ();", down="SELECT 1/0;")},
        (UP, REDO, STATUS),
    ),
    one(
        "one again whose Up fails then",
        file("INSERT INTO base VALUES (1);", down="SELECT 1;"),
        UP,
        REDO,
        STATUS,
        VERSION,
        UP,
    ),
    one(
        "one again whose Up is bad",
        file("SELECT 1;", down="DELETE FROM base;"),
        UP,
        Change(write={"00001_one.sql": "-- +goose Up\nSELECT 1\n-- +goose Down\n"}),
        REDO,
        VERSION,
    ),
    Case("a reset, twice, and up", BOTH_WAYS, (UP, RESET, STATUS, VERSION, RESET, UP)),
    Case("a reset of some", BOTH_WAYS, (up_to(2), RESET, STATUS)),
    Case("a reset of a new database", BOTH_WAYS, (RESET,)),
    Case(
        "a reset that fails half way",
        {**BOTH_WAYS, "00002_chirps.sql": file("CREATE TABLE chirps ();", down="SELECT 1/0;")},
        (UP, RESET, STATUS, VERSION, RESET),
    ),
    Case("a reset of files without Down", THREE, (UP, RESET, STATUS, UP)),
)

WAYS_BACK = (*BACK, *BACK_OUT_OF_ORDER, *AGAIN)
