"""Files and sequences of commands that goose and lab.goose are held against each other with.

`CASES` must come out the same. `DEVIATIONS` is the one list of what differs on purpose.
"""

from tests.goose.case import STATUS, UP, VERSION, Case, Deviation, file, one, up_to, within
from tests.goose.corpus_back import WAYS_BACK
from tests.goose.corpus_files import FILES
from tests.goose.corpus_order import ORDERS
from tests.goose.corpus_rows import STRANGE_ROWS
from tests.goose.corpus_tables import TABLES
from tests.goose.samples import BEGIN, END, TAGS, THREE, WITHOUT_TRANSACTION

CASES = (*FILES, *ORDERS, *WAYS_BACK, *STRANGE_ROWS, *TABLES)

DEVIATIONS = (
    Deviation(
        Case("status before the first run", THREE, (STATUS,)),
        why="goose makes its table also when it is only asked",
    ),
    Deviation(
        Case("version before the first run", THREE, (VERSION,)),
        why="the same",
    ),
    Deviation(
        one(
            "a limit that a file sets for itself",
            file(
                "-- +lab lock-timeout=7\n"
                "INSERT INTO base VALUES (1, current_setting('lock_timeout'));"
            ),
        ),
        why="to goose it is a comment like any other",
    ),
    Deviation(
        one("a floor that a file tells of and does not raise", file("-- +lab floor=3\nSELECT 1;")),
        ours_succeeds=False,
        why="the same",
    ),
    Deviation(
        Case("a directory with the name of a file", {"00001_users.sql": None}),
        goose_succeeds=False,
        ours_succeeds=False,
        why="goose finds out when the version table is there already",
    ),
    Deviation(
        Case("twice above the target", {**THREE, "3_again.sql": TAGS}, (up_to(2),)),
        ours_succeeds=False,
        why="goose looks only at the versions up to the target",
    ),
    Deviation(
        one("an empty block", file(f"{BEGIN}\n{END}\nSELECT 1/0;")),
        ours_succeeds=False,
        why="goose leaves out the line behind an empty block",
    ),
    Deviation(
        one(
            "a transaction left open",
            file("BEGIN;\nCREATE TABLE a ();\nCOMMIT;", options=WITHOUT_TRANSACTION),
        ),
        ours_succeeds=False,
        why="goose runs each statement on another connection then, in no transaction at all",
    ),
    Deviation(
        one("a bad comment for lab", file("-- +lab phase\nCREATE TABLE a ();")),
        ours_succeeds=False,
        why="to goose it is a comment like any other",
    ),
    Deviation(
        one("rows for the client", file("COPY (SELECT 1) TO stdout;")),
        ours_succeeds=False,
        why="goose throws them away",
    ),
    # COPY FROM stdin cannot be compared: goose waits for rows until it is killed.
    Deviation(
        one("a comment that is not UTF-8", file("-- \udcff\nCREATE TABLE a ();")),
        ours_succeeds=False,
        why="goose does not send a comment between two statements",
    ),
    *(
        Deviation(
            Case(f"a version table called {name}", THREE, within(name, UP)),
            goose_succeeds=False,
            ours_succeeds=False,
            why="what is no name is refused before a database is asked",
        )
        for name in ("goose-versions", "goose versions", "1versions", '"versions', "a.b.c.d")
    ),
)
