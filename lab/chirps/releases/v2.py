"""v2 for a time with two columns: the text is written to both, and read from the new one first."""

from lab.chirps.chirp import Chirp, Listing, NewChirp, Sort
from lab.chirps.database import Database

NUMBER = 2
REQUIRED_SCHEMA = 6

SELECT = """SELECT id, author_id, COALESCE(content, body), client_ref, created_at FROM chirps"""
LIST = {
    Sort.ASC: f"{SELECT} ORDER BY id LIMIT %(limit)s",
    Sort.DESC: f"{SELECT} ORDER BY id DESC LIMIT %(limit)s",
}
LIST_OF_AUTHOR = {
    Sort.ASC: f"{SELECT} WHERE author_id = %(author_id)s ORDER BY id LIMIT %(limit)s",
    Sort.DESC: f"{SELECT} WHERE author_id = %(author_id)s ORDER BY id DESC LIMIT %(limit)s",
}
GET = f"{SELECT} WHERE id = %s"
CREATE = """INSERT INTO chirps (author_id, body, content, client_ref)
VALUES (%(author_id)s, %(body)s, %(body)s, %(client_ref)s)
RETURNING id, author_id, COALESCE(content, body), client_ref, created_at"""
DELETE = "DELETE FROM chirps WHERE id = %s AND author_id = %s RETURNING id"

# What its background worker writes, if it has one; see lab.chirps.worker. The second kind is
# what remains of v1 in v2: a path that nobody has thought of.
WORK = {
    "on": """INSERT INTO chirps (author_id, body, content)
SELECT id, %(text)s, %(text)s FROM users ORDER BY id LIMIT 1 RETURNING id""",
    "body-only": """INSERT INTO chirps (author_id, body)
SELECT id, %(text)s FROM users ORDER BY id LIMIT 1 RETURNING id""",
}


async def list_chirps(database: Database, wanted: Listing) -> list[Chirp]:
    statements = LIST if wanted.author_id is None else LIST_OF_AUTHOR
    return [
        Chirp.of(row) for row in await database.rows(statements[wanted.sort], wanted.parameters)
    ]


async def get_chirp(database: Database, chirp_id: int) -> Chirp | None:
    row = await database.row(GET, (chirp_id,))
    return None if row is None else Chirp.of(row)


async def create_chirp(database: Database, new: NewChirp) -> Chirp:
    row = await database.row(CREATE, new.parameters)
    assert row is not None
    return Chirp.of(row)


async def delete_chirp(database: Database, chirp_id: int, author_id: int) -> bool:
    return await database.row(DELETE, (chirp_id, author_id)) is not None
