"""Texts of files that several cases are made of."""

from tests.goose.case import Change, file

USERS = file("CREATE TABLE users (id int PRIMARY KEY, name text);", down="DROP TABLE users;")
CHIRPS = file(
    "CREATE TABLE chirps (id int PRIMARY KEY, author int REFERENCES users);",
    down="DROP TABLE chirps;",
)
TAGS = file("CREATE TABLE tags (name text);")
TAGS_BACK = file("CREATE TABLE tags (name text);", down="DROP TABLE tags;")
THREE = {"00001_users.sql": USERS, "00002_chirps.sql": CHIRPS, "00003_tags.sql": TAGS}
BOTH_WAYS = {**THREE, "00003_tags.sql": TAGS_BACK}
WITHOUT_TRANSACTION = "-- +goose NO TRANSACTION\n"
BEGIN, END = "-- +goose StatementBegin", "-- +goose StatementEnd"
FUNCTION = f"""{BEGIN}
CREATE FUNCTION one() RETURNS int AS $$
BEGIN
  -- a comment;
  RETURN 1;
END;
$$ LANGUAGE plpgsql;
{END}"""

LATE = {"00001_users.sql": USERS, "00003_tags.sql": TAGS}
LATE_BACK = {**LATE, "00003_tags.sql": TAGS_BACK}
LATE_COMES = Change(write={"00002_chirps.sql": CHIRPS})
ROWS = "INSERT INTO goose_db_version (version_id, is_applied) VALUES"
