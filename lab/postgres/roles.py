"""Who may do what in the service's database?

There is a role for each release, one for migrations, and one that only looks. A role of its
own for each release tells the sessions of the old release from those of the new one, and can
be locked out alone.
"""

from collections.abc import Mapping

DATABASE = "chirps"
TEMPLATE = "chirps_template"

# As Secrets are named; `sql_role` gives what PostgreSQL calls them.
MIGRATIONS_ROLE = "chirps-migrate"
OBSERVER_ROLE = "observer"
SUPERUSER = "postgres"

APP_GROUP = "chirps_app"
# pg_use_reserved_connections: the observer still gets in when the service has used up all
# others, https://www.postgresql.org/docs/18/runtime-config-connection.html
OBSERVER_GROUPS = ("pg_monitor", "pg_read_all_data", "pg_use_reserved_connections")


def release_role(release: str) -> str:
    """Return the database role of a release, as its Secret is named."""
    return f"chirps-{release}"


def roles_for(releases: tuple[str, ...]) -> tuple[str, ...]:
    """Return all roles with a login."""
    return (SUPERUSER, MIGRATIONS_ROLE, OBSERVER_ROLE, *map(release_role, releases))


def sql_role(role: str) -> str:
    """Return a role as PostgreSQL knows it."""
    return role.replace("-", "_")


def statements(passwords: Mapping[str, str]) -> str:
    """Return SQL that makes all roles with these passwords, also a second time."""
    lines = [_quiet(), _create(APP_GROUP, login=False)]
    for role, password in passwords.items():
        name = sql_role(role)
        if role != SUPERUSER:
            lines.append(_create(name, login=True))
        lines.append(f"ALTER ROLE {name} PASSWORD {quote(password)};")
        if role not in (SUPERUSER, MIGRATIONS_ROLE, OBSERVER_ROLE):
            lines.append(f"GRANT {APP_GROUP} TO {name};")
    if MIGRATIONS_ROLE in passwords:
        # What a migration locks is measured on a scratch database.
        lines.append(f"ALTER ROLE {sql_role(MIGRATIONS_ROLE)} CREATEDB;")
    observer = sql_role(OBSERVER_ROLE)
    lines += [f"GRANT {group} TO {observer};" for group in OBSERVER_GROUPS]
    return "\n".join(lines)


def _quiet() -> str:
    """A statement that fails is logged with its text, and these hold passwords."""
    return "SET log_min_error_statement = panic; SET log_statement = 'none';"


def _create(name: str, *, login: bool) -> str:
    kind = "LOGIN" if login else "NOLOGIN"
    return (
        f"DO $$ BEGIN CREATE ROLE {name} {kind}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
    )


def grants() -> str:
    """Return SQL that opens a database of the migrations' role to releases, tables to come too."""
    owner = sql_role(MIGRATIONS_ROLE)
    default = f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA public"
    return "\n".join(
        (
            f"GRANT USAGE ON SCHEMA public TO {APP_GROUP};",
            f"GRANT CREATE, USAGE ON SCHEMA public TO {owner};",
            f"{default} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {APP_GROUP};",
            f"{default} GRANT USAGE ON SEQUENCES TO {APP_GROUP};",
        )
    )


def quote(text: str) -> str:
    """Return a string literal; standard_conforming_strings is on, so only quotes are doubled."""
    return "'" + text.replace("'", "''") + "'"
