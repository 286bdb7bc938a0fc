"""How many rows do the real tables have? An estimate, because counting them takes a while."""

from collections.abc import Mapping

from lab.chirps.operator.asking import Connection

# Named as lab.goose.measure names them. reltuples is -1 for a table that was never analyzed: then
# what was counted since is all there is.
SELECT = """
SELECT c.oid::regclass::text,
       coalesce(NULLIF(c.reltuples, -1)::bigint, pg_stat_get_live_tuples(c.oid))
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
"""

Sizes = Mapping[str, int]
"""`chirps` -> rows."""


def read_sizes(connection: Connection) -> Sizes:
    return dict(connection.execute(SELECT).fetchall())


def in_words(rows: int) -> str:
    return f"about {rows} row{'' if rows == 1 else 's'}"
