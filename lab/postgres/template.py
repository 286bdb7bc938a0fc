"""The start state of the data as a database of its own, from which any number is copied.

PostgreSQL copies a database as files, which takes a second whatever it took to fill it,
https://www.postgresql.org/docs/18/manage-ag-templatedbs.html

Statements that follow each other are given apart: those that make or drop a database may not
share a transaction, and several in one string do.
"""

from lab.postgres.roles import DATABASE, MIGRATIONS_ROLE, TEMPLATE, quote, sql_role

TIDY = "VACUUM (ANALYZE, FREEZE)"
"""Run in the template before it is closed, so that no copy begins with that work."""


def create(name: str = DATABASE) -> str:
    """Return SQL that makes an empty database of the migrations' role."""
    return f"CREATE DATABASE {name} OWNER {sql_role(MIGRATIONS_ROLE)};"


def close(mark: str, *, name: str = TEMPLATE) -> tuple[str, ...]:
    """Return statements that make it a template which says `mark` of itself.

    Everybody is kept out, or the first session in it would make the next copy fail.
    """
    return (
        f"COMMENT ON DATABASE {name} IS {quote(mark)};",
        f"ALTER DATABASE {name} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false;",
    )


def ask_mark(name: str = TEMPLATE) -> str:
    """Return SQL for what a template says of itself; no row where there is none."""
    return (
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database "  # noqa: S608 - ours
        f"WHERE datname = {quote(name)}"
    )


def drop(name: str) -> tuple[str, ...]:
    """Return statements that remove a database, if there is one, with all who are connected."""
    return (
        f"UPDATE pg_database SET datistemplate = false WHERE datname = {quote(name)};",  # noqa: S608 - ours
        f"DROP DATABASE IF EXISTS {name} WITH (FORCE);",
    )


def restore(name: str = DATABASE, *, template: str = TEMPLATE) -> tuple[str, ...]:
    """Return statements that make a database anew from its template."""
    # FILE_COPY: by the write-ahead log, which is the default, every page is written twice,
    # https://www.postgresql.org/docs/18/sql-createdatabase.html
    return (
        *drop(name),
        f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy "
        f"OWNER {sql_role(MIGRATIONS_ROLE)};",
    )
