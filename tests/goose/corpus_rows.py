"""Databases that are ahead of the files, and rows that goose would not write."""

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
    up_to,
)
from tests.goose.samples import BOTH_WAYS, ROWS, TAGS, WITHOUT_TRANSACTION

AHEAD = (UP, Change(remove=("00003_tags.sql",)))

# Something goes wrong at the version row, when all statements of the file have run.
REFUSED = Change(
    sql="""
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'no'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT OR DELETE ON goose_db_version
        FOR EACH ROW EXECUTE FUNCTION refuse();
    """
)
ALLOWED_AGAIN = Change(sql="DROP FUNCTION refuse CASCADE")
NO_TRANSACTION = file("CREATE TABLE tags ();", options=WITHOUT_TRANSACTION, down="DROP TABLE tags;")
UNIQUE = Change(sql="CREATE UNIQUE INDEX ON goose_db_version (version_id)")

STRANGE_ROWS = (
    Case(
        "a row that cannot be written",
        BOTH_WAYS,
        (up_to(2), REFUSED, UP, STATUS, ALLOWED_AGAIN, UP),
    ),
    Case(
        "a row that cannot be written after a NO TRANSACTION file",
        {**BOTH_WAYS, "00003_tags.sql": NO_TRANSACTION},
        (up_to(2), REFUSED, UP, STATUS, ALLOWED_AGAIN, UP),
    ),
    Case(
        "a row that cannot be removed",
        BOTH_WAYS,
        (UP, REFUSED, DOWN, REDO, RESET, STATUS, ALLOWED_AGAIN, RESET),
    ),
    Case(
        "a row that cannot be removed after a NO TRANSACTION file",
        {**BOTH_WAYS, "00003_tags.sql": NO_TRANSACTION},
        (UP, REFUSED, DOWN, STATUS, ALLOWED_AGAIN, DOWN),
    ),
    Case(
        "versions may be there only once, and one is recorded by its own file",
        {"1_tags.sql": TAGS},
        (
            UP,
            UNIQUE,
            Change(write={"2_own.sql": file(f"{ROWS} (2, true);")}),
            UP,
            STATUS,
        ),
    ),
    Case("down on a database that is ahead", BOTH_WAYS, (*AHEAD, DOWN, STATUS, VERSION)),
    Case(
        "down to a version on a database that is ahead",
        BOTH_WAYS,
        (*AHEAD, down_to(1), down_to(3), down_to(99), VERSION),
    ),
    Case("one again on a database that is ahead", BOTH_WAYS, (*AHEAD, REDO, VERSION)),
    Case("a reset of a database that is ahead", BOTH_WAYS, (*AHEAD, RESET, STATUS, VERSION, UP)),
    Case(
        "allowed on a database that is ahead", BOTH_WAYS, (*AHEAD, allowing(UP), UP_BY_ONE, VERSION)
    ),
    Case(
        "a file in the middle went missing",
        BOTH_WAYS,
        (UP, Change(remove=("00002_chirps.sql",)), UP, STATUS, down_to(0), STATUS, VERSION),
    ),
    Case(
        "a version twice, and down",
        BOTH_WAYS,
        (UP, Change(sql=f"{ROWS} (2, true)"), VERSION, DOWN, STATUS, VERSION, UP),
    ),
    Case(
        "a version twice, and a reset",
        BOTH_WAYS,
        (UP, Change(sql=f"{ROWS} (3, true)"), RESET, STATUS),
    ),
    Case(
        "the last is not applied any more",
        BOTH_WAYS,
        (UP, Change(sql=f"{ROWS} (3, false)"), UP, UP_BY_ONE, STATUS, VERSION, DOWN, STATUS),
    ),
    Case(
        "the last is not applied any more, and one again",
        BOTH_WAYS,
        (UP, Change(sql=f"{ROWS} (3, false)"), REDO, STATUS),
    ),
    Case(
        "the last is not applied any more, and a reset",
        BOTH_WAYS,
        (UP, Change(sql=f"{ROWS} (3, false)"), RESET, STATUS, UP),
    ),
    Case(
        "one is not applied, then is",
        BOTH_WAYS,
        (
            UP,
            Change(sql=f"{ROWS} (2, false)"),
            # In a transaction of its own, since status goes by time.
            Change(sql=f"{ROWS} (2, true)"),
            STATUS,
            DOWN,
            VERSION,
        ),
    ),
    Case(
        "the row says no, and there is no other",
        BOTH_WAYS,
        (up_to(2), Change(sql=f"{ROWS} (3, false)"), UP, STATUS, VERSION),
    ),
    Case(
        "none is applied",
        BOTH_WAYS,
        (
            UP,
            Change(sql="UPDATE goose_db_version SET is_applied = false"),
            UP,
            DOWN,
            RESET,
            VERSION,
        ),
    ),
    Case(
        "the first row is gone",
        BOTH_WAYS,
        (
            UP,
            Change(sql="DELETE FROM goose_db_version WHERE version_id = 0"),
            UP,
            down_to(0),
            VERSION,
        ),
    ),
    Case(
        "down without any rows",
        BOTH_WAYS,
        (UP, Change(sql="DELETE FROM goose_db_version"), DOWN, REDO, RESET),
    ),
    Case(
        "rows of versions that are below 0",
        BOTH_WAYS,
        (UP, Change(sql=f"{ROWS} (-5, true)"), UP, DOWN, VERSION, down_to(0)),
    ),
    Case(
        "the numbers of rows do not follow their order",
        BOTH_WAYS,
        (UP, Change(sql="UPDATE goose_db_version SET id = 10 - id"), VERSION, UP, DOWN),
    ),
)
