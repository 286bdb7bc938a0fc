from lab.postgres import roles
from lab.postgres.roles import roles_for

PASSWORDS = {role: f"secret-of-{role}" for role in roles_for(("v1", "v2-naive"))}
SQL = roles.statements(PASSWORDS)


def test_each_release_has_a_login_of_its_own_in_the_group_of_the_service() -> None:
    for name in ("chirps_v1", "chirps_v2_naive"):
        assert f"CREATE ROLE {name} LOGIN" in SQL
        assert f"GRANT chirps_app TO {name};" in SQL


def test_neither_migrations_nor_observer_are_part_of_the_service() -> None:
    assert "GRANT chirps_app TO chirps_migrate" not in SQL
    assert "GRANT chirps_app TO observer" not in SQL


def test_the_observer_may_look_at_everything_also_when_all_connections_are_used() -> None:
    assert "GRANT pg_read_all_data TO observer;" in SQL
    assert "GRANT pg_use_reserved_connections TO observer;" in SQL


def test_a_statement_with_a_password_is_kept_out_of_the_servers_log() -> None:
    assert SQL.startswith("SET log_min_error_statement = panic;")


def test_a_password_is_quoted() -> None:
    assert "PASSWORD 'it''s';" in roles.statements({"postgres": "it's"})


def test_the_superuser_is_not_made_again() -> None:
    assert "CREATE ROLE postgres" not in SQL
    assert "ALTER ROLE postgres PASSWORD" in SQL
