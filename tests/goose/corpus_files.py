"""One file, or a few, and mostly one command: how is it read, and what is left of it?"""

from tests.goose.case import (
    STATUS,
    UP,
    VERSION,
    Case,
    Change,
    file,
    one,
    up_to,
)
from tests.goose.samples import (
    BEGIN,
    CHIRPS,
    END,
    FUNCTION,
    TAGS,
    THREE,
    USERS,
    WITHOUT_TRANSACTION,
)

APPLIED = (
    Case("three files, twice", THREE, (UP, UP, STATUS, VERSION)),
    Case("step by step", THREE, (up_to(1), STATUS, up_to(2), VERSION, UP, STATUS)),
    Case("up to a version between two files", {"1_a.sql": USERS, "5_b.sql": TAGS}, (up_to(3), UP)),
    Case("up to a version beyond the last", THREE, (up_to(99), VERSION)),
    Case("up to a version that was passed", THREE, (UP, up_to(1), VERSION)),
    Case(
        "versions that are times", {"20240102030405_a.sql": USERS, "20250101000000_b.sql": CHIRPS}
    ),
    Case("versions out of alphabetical order", {"10_c.sql": CHIRPS, "9_u.sql": USERS}),
    Case("a plus before the number", {"+7_u.sql": USERS}, (UP, STATUS)),
    Case("other files in the folder", {**THREE, "README.md": "text", "notes.txt": "text"}),
    one("nothing to do", file(""), UP, STATUS),
    one("only comments", file("-- nothing here;\n\n--- still nothing")),
    one("comments for lab", file("-- +lab phase=expand\nALTER TABLE base ADD a int;")),
    one("a statement of many lines", file("ALTER TABLE base\n  -- why;\n  ADD a int\n\n  ;")),
    one("a comment behind the semicolon", file("ALTER TABLE base ADD a int; -- done")),
    one("two statements in one line", file("CREATE TABLE a (); CREATE TABLE b ();")),
    one("text before the first annotation", "-- a file\n\n  \n" + TAGS),
    one("upper case", "-- +goose UP\n-- +GOOSE is a comment\nCREATE TABLE a ();\n"),
    one("lower case", "-- +goose up\nCREATE TABLE a ();\n-- +goose down\nDROP TABLE a;\n"),
    one("a dense annotation", "--+goose Up\nCREATE TABLE a ();\n--+goose    Down  \nnonsense;\n"),
    one("lines that end as on Windows", TAGS.replace("\n", "\r\n")),
    one("no newline at the end", TAGS.removesuffix("\n")),
    one("percent and dollar signs", file("INSERT INTO base VALUES (1, '100%s %% $1 ${X}');")),
    one("other scripts", file("INSERT INTO base VALUES (1, 'çöğü 語 🐦');")),
    one("a space that is not ASCII", file("CREATE TABLE a ();\u00a0\n\u2003\n-- end")),
    one("a function", file(FUNCTION)),
    one("a function and more", file(f"{FUNCTION}\n\nSELECT one();\n{TAGS.partition(chr(10))[2]}")),
    one(
        "a block of two statements",
        file(f"{BEGIN}\nCREATE TABLE a ();\nCREATE TABLE b ()\n{END}"),
    ),
    one("a block that goes on a statement", file(f"SELECT 1,\n{BEGIN}\n2\n{END}")),
    one("a broken Down does not matter to Up", f"{TAGS}-- +goose Down\nDROP TABLE\n"),
    one(
        "a block in Down does not matter to Up",
        f"{TAGS}-- +goose Down\n{FUNCTION}\nDROP TABLE tags;\n",
    ),
    one("it commits by itself", file("CREATE TABLE a ();\nCOMMIT;\nCREATE TABLE b ();")),
    one("it rolls back by itself", file("CREATE TABLE a ();\nROLLBACK;\nCREATE TABLE b ();")),
    one("a savepoint", file("SAVEPOINT s;\nCREATE TABLE a ();\nROLLBACK TO s;")),
    one(
        "an index built concurrently",
        file("CREATE INDEX CONCURRENTLY i ON base (name);", options=WITHOUT_TRANSACTION),
    ),
    one(
        "a setting outlives its file, and a temporary table does",
        file("SET search_path = pg_temp, public;\nCREATE TABLE t AS SELECT 1 AS id;"),
        UP,
        Change(write={"2_b.sql": file("INSERT INTO base SELECT id FROM t;")}),
        UP,
    ),
    Case(
        "what a file sets holds in the next",
        {
            "1_a.sql": file("SET search_path = pg_temp, public;\nCREATE TABLE t (id int);"),
            "2_b.sql": file("INSERT INTO t VALUES (1);\nCREATE TABLE public.seen AS TABLE t;"),
        },
        (UP, STATUS),
    ),
    Case(
        "a setting of a file that failed is gone",
        {"1_a.sql": file("SET search_path = other, public;\nSELECT 1/0;"), "2_b.sql": TAGS},
        (UP, Change(write={"1_a.sql": USERS}), UP),
        "CREATE SCHEMA other",
    ),
    Case(
        "a file that was changed after it was applied",
        THREE,
        (UP, Change(write={"00003_tags.sql": file("SELECT nonsense;")}), UP, STATUS),
    ),
    Case(
        "a file that got another name",
        THREE,
        (UP, Change(remove=("00003_tags.sql",), write={"3_labels.sql": TAGS}), UP, STATUS),
    ),
    Case("times after numbers", {"1_u.sql": USERS, "20240102030405_a.sql": CHIRPS}, (up_to(2), UP)),
    one("NO TRANSACTION at the end", file(f"VACUUM base;\n{WITHOUT_TRANSACTION}")),
)

VARIABLES = (
    one(
        "variables",
        file(
            "-- +goose ENVSUB ON\nINSERT INTO base VALUES (1, '$LAB_WORD ${LAB_WORD} ${LAB_NONE}');"
        ),
    ),
    one(
        "variables with defaults",
        file(
            "-- +goose ENVSUB ON\nINSERT INTO base VALUES (1, '${LAB_NONE:-a ${LAB_WORD}} "
            "${LAB_EMPTY:-b} ${LAB_EMPTY-c} ${LAB_NONE-d} ${LAB_NONE-} ${LAB_WORD?no}');"
        ),
    ),
    one(
        "parts of variables",
        file(
            "-- +goose ENVSUB ON\nINSERT INTO base VALUES (1, '${LAB_WORD:2} ${LAB_WORD:1:3} "
            "${LAB_WORD: -2} ${LAB_WORD:0:-1} ${LAB_WORD:9} ${LAB_WORD:-9:2} ${LAB_WORD:2:99}');"
        ),
    ),
    one(
        "dollars that are no variables",
        file("-- +goose ENVSUB ON\nINSERT INTO base VALUES (1, '$$ \\$A \\\\ $(x) } {a} \\x $');"),
    ),
    one(
        "variables off again",
        file(
            "-- +goose ENVSUB ON\nINSERT INTO base VALUES (1, '$LAB_WORD');\n"
            "-- +goose ENVSUB OFF\nINSERT INTO base VALUES (2, '$LAB_WORD');"
        ),
    ),
    one("a variable that is required", file("-- +goose ENVSUB ON\nSELECT ${LAB_NONE?tell me};")),
    one("a variable without a name", file("-- +goose ENVSUB ON\nSELECT $1;")),
    one("a brace that is not closed", file("-- +goose ENVSUB ON\nSELECT ${LAB_WORD;")),
    one("an unknown operator", file("-- +goose ENVSUB ON\nSELECT ${LAB_WORD!x};")),
    one("a bad variable in Down", f"{TAGS}-- +goose ENVSUB ON\n-- +goose Down\nSELECT $1;\n"),
    one("a body between dollars", file(f"-- +goose ENVSUB ON\n{FUNCTION}")),
)

REFUSED_FILES = (
    one("an empty file", ""),
    one("no Up", "CREATE TABLE a ();\n"),
    one("Down only", "-- +goose Down\nDROP TABLE base;\n"),
    one("Up twice", f"{TAGS}{TAGS}"),
    one("Down twice", f"{TAGS}-- +goose Down\n-- +goose Down\n"),
    one("a statement before Up", f"CREATE TABLE a ();\n{TAGS}"),
    one("no semicolon", file("CREATE TABLE a ()")),
    one("no semicolon before Down", file("CREATE TABLE a ()\n-- +goose Down")),
    one("a comment glued to the semicolon", file("CREATE TABLE a ();-- why not")),
    one("a comment after a blank line that is not empty", file("CREATE TABLE a ();\n  \n-- end")),
    one("an unknown annotation", file("-- +goose Sideways\nCREATE TABLE a ();")),
    one("an empty annotation", file("-- +goose\nCREATE TABLE a ();")),
    one("two annotations in one line", "-- +goose Up +goose Down\nCREATE TABLE a ();\n"),
    one("an indented annotation", "  -- +goose Up\nCREATE TABLE a ();\n"),
    one("a word behind the annotation", "-- +goose Up now\nCREATE TABLE a ();\n"),
    one("a word about +goose", file("-- this is for +goose\nCREATE TABLE a ();")),
    one("a block without an end", file(f"{BEGIN}\nCREATE TABLE a ();")),
    one("a block without a begin", file(f"CREATE TABLE a ();\n{END}")),
    one("a block in a block", file(f"{BEGIN}\n{FUNCTION}")),
    one("Down in a block", file(f"{BEGIN}\nSELECT 1;\n-- +goose Down\nSELECT 1;")),
    one("a block before Up", f"{FUNCTION}\n{TAGS}"),
    one("an unknown annotation in Down", f"{TAGS}-- +goose Down\n-- +goose Sideways\n"),
    one("a byte order mark", f"\ufeff{TAGS}"),
    Case("the second file is bad", {**THREE, "00002_chirps.sql": "nothing"}, (UP, VERSION)),
    Case("a name without a number", {**THREE, "tags.sql": TAGS}, (UP, STATUS)),
    Case("a name without a version", {**THREE, "a_tags.sql": TAGS}),
    Case("version 0", {"00000_tags.sql": TAGS}),
    Case("a version below 0", {"-1_tags.sql": TAGS}),
    Case("a version that is too large", {"9223372036854775808_tags.sql": TAGS}),
    Case("the largest version", {"9223372036854775807_tags.sql": TAGS}),
    Case("a version in other digits", {"\u0661_tags.sql": TAGS}),
    Case("a hidden file", {**THREE, ".00004_tags.sql.sql": TAGS}),
    Case("a version that is there twice", {**THREE, "3_again.sql": TAGS}),
    Case("an empty folder", {}, (UP, STATUS)),
    Case("up to a version before the first", THREE, (up_to(0),)),
    # goose takes a version below 0 for an option, so that cannot be compared.
)

FAILURES = (
    one("a statement fails", file("CREATE TABLE a ();\nSELECT nothing FROM base;"), UP, STATUS, UP),
    one("the text is no SQL", file("CREATE TABL a ();")),
    one("a string with a semicolon at the end of a line", file("SELECT 'a;\nb';")),
    one(
        "a function without a block",
        file("CREATE FUNCTION f() RETURNS int AS $$\nBEGIN\nRETURN 1;"),
    ),
    one(
        "an index built concurrently in a transaction",
        file("CREATE INDEX CONCURRENTLY i ON base (id);"),
    ),
    one(
        "COMMIT fails",
        file("INSERT INTO b VALUES (1);"),
        UP,
        Change(sql="INSERT INTO base VALUES (1)"),
        UP,
        sql="CREATE TABLE b (id int REFERENCES base DEFERRABLE INITIALLY DEFERRED);",
    ),
    one(
        "a NO TRANSACTION file fails half way",
        file(
            "CREATE TABLE a ();\nCREATE TABLE base ();\nCREATE TABLE c ();",
            options=WITHOUT_TRANSACTION,
        ),
        UP,
        STATUS,
        UP,
    ),
    one(
        "a block of a NO TRANSACTION file fails half way",
        file(
            f"{BEGIN}\nCREATE TABLE a ();\nSELECT 1/0;\n{END}",
            options=WITHOUT_TRANSACTION,
        ),
    ),
    one(
        "a unique index that fails stays behind as invalid",
        file("CREATE UNIQUE INDEX CONCURRENTLY i ON base (name);", options=WITHOUT_TRANSACTION),
        sql="INSERT INTO base VALUES (1, 'a'), (2, 'a');",
    ),
    one(
        "its connection is ended",
        file("CREATE TABLE a ();\nSELECT pg_terminate_backend(pg_backend_pid());"),
        UP,
        STATUS,
    ),
    one(
        "the connection of a NO TRANSACTION file is ended",
        file(
            "CREATE TABLE a ();\nSELECT pg_terminate_backend(pg_backend_pid());",
            options=WITHOUT_TRANSACTION,
        ),
        UP,
        STATUS,
    ),
    one(
        "a statement takes too long",
        file("SET LOCAL statement_timeout = '20ms';\nSELECT pg_sleep(9);"),
        UP,
        STATUS,
    ),
    one(
        "a NO TRANSACTION file is repaired and run again",
        file("CREATE TABLE a ();\nCREATE TABLE b (x nothing);", options=WITHOUT_TRANSACTION),
        UP,
        Change(
            write={
                "00001_one.sql": file(
                    "CREATE TABLE IF NOT EXISTS a ();\nCREATE TABLE b ();",
                    options=WITHOUT_TRANSACTION,
                )
            }
        ),
        UP,
        STATUS,
    ),
    one("it removes its own rows", file("DELETE FROM goose_db_version;"), UP, UP, VERSION),
    one(
        "it records itself",
        file("INSERT INTO goose_db_version (version_id, is_applied) VALUES (1, true);"),
        UP,
        STATUS,
    ),
    one("it drops the version table", file("DROP TABLE goose_db_version;")),
    one("it loses sight of the version table", file("SET LOCAL search_path = '';")),
    Case(
        "repaired and run again",
        {**THREE, "00002_chirps.sql": file("CREATE TABLE chirps (a nothing);")},
        (UP, STATUS, Change(write={"00002_chirps.sql": CHIRPS}), UP, STATUS),
    ),
)

FILES = (*APPLIED, *VARIABLES, *REFUSED_FILES, *FAILURES)
