"""The start state of the data as a database of its own, from which any number is copied.

PostgreSQL copies a database as files, which takes a second whatever it took to fill it,
https://www.postgresql.org/docs/18/manage-ag-templatedbs.html
"""

from lab.postgres.roles import DATABASE, MIGRATIONS_ROLE, TEMPLATE, quote, sql_role

TIDY = "VACUUM (ANALYZE, FREEZE)"
"""Run in the template before it is closed, so that no copy begins with that work."""


def create(name: str = DATABASE) -> str:
    """Return SQL that makes an empty database of the migrations' role."""
    return f"CREATE DATABASE {name} OWNER {sql_role(MIGRATIONS_ROLE)};"


def close(mark: str, *, name: str = TEMPLATE) -> str:
    """Return SQL that makes it a template which says `mark` of itself.

    Everybody is kept out, or the first session in it would make the next copy fail.
    """
    return (
        f"COMMENT ON DATABASE {name} IS {quote(mark)};\n"
        f"ALTER DATABASE {name} WITH IS_TEMPLATE true ALLOW_CONNECTIONS false;"
    )


def ask_mark(name: str = TEMPLATE) -> str:
    """Return SQL for what a template says of itself; no row where there is none."""
    return (
        "SELECT shobj_description(oid, 'pg_database') FROM pg_database "  # noqa: S608 - ours
        f"WHERE datname = {quote(name)}"
    )


def drop(name: str) -> str:
    """Return SQL that removes a database, if there is one; who is connected is thrown out."""
    return (
        f"UPDATE pg_database SET datistemplate = false WHERE datname = {quote(name)};\n"  # noqa: S608 - ours
        f"DROP DATABASE IF EXISTS {name} WITH (FORCE);"
    )


def restore(name: str = DATABASE, *, template: str = TEMPLATE) -> str:
    """Return SQL that makes a database anew from its template."""
    # FILE_COPY: by the write-ahead log, which is the default, every page is written twice,
    # https://www.postgresql.org/docs/18/sql-createdatabase.html
    return (
        f"{drop(name)}\n"
        f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy "
        f"OWNER {sql_role(MIGRATIONS_ROLE)};"
    )
