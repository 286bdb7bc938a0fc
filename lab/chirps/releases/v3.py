"""v3 has forgotten the old column: the text is in `content`, and `body` is not written."""

from lab.chirps.chirp import Chirp, Listing, NewChirp, Sort
from lab.chirps.database import Database

NUMBER = 3
# Before 8, a chirp without `body` is refused.
REQUIRED_SCHEMA = 8

SELECT = """SELECT id, author_id, content, client_ref, created_at FROM chirps"""
LIST = {
    Sort.ASC: f"{SELECT} ORDER BY id LIMIT %(limit)s",
    Sort.DESC: f"{SELECT} ORDER BY id DESC LIMIT %(limit)s",
}
LIST_OF_AUTHOR = {
    Sort.ASC: f"{SELECT} WHERE author_id = %(author_id)s ORDER BY id LIMIT %(limit)s",
    Sort.DESC: f"{SELECT} WHERE author_id = %(author_id)s ORDER BY id DESC LIMIT %(limit)s",
}
GET = f"{SELECT} WHERE id = %s"
CREATE = """INSERT INTO chirps (author_id, content, client_ref)
VALUES (%(author_id)s, %(body)s, %(client_ref)s)
RETURNING id, author_id, content, client_ref, created_at"""
DELETE = "DELETE FROM chirps WHERE id = %s AND author_id = %s RETURNING id"


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
