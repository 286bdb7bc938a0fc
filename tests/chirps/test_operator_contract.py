"""`can-i-contract`: who is still there, who could come back, and how long was nobody."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from lab.chirps.operator.contract import Clock, Demand, Looked, Role, watch
from lab.postgres import Server
from tests.chirps.operators import Operator, roles, session, value
from tests.chirps.real import migrate_up
from tests.postgres import Database, new_database, postgres  # noqa: F401 - a fixture

CAREFUL = ("--track", "rename-careful")
NOW = ("--quiet-for", "0")


@pytest.fixture(scope="module")
def template(postgres: Server) -> Iterator[Database]:  # noqa: F811 - a fixture
    """Schema 8: the contract is pending, and v2 would not bear it."""
    with new_database(postgres) as database:
        migrate_up(database, "rename-careful", 8)
        yield database


@pytest.fixture
def database(template: Database) -> Iterator[Database]:
    with new_database(template.server, template=template.name) as database:
        yield database


@pytest.fixture
def operator(database: Database, capsys: pytest.CaptureFixture[str]) -> Operator:
    return Operator(database, capsys)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_session_of_an_older_release_says_no_and_how_to_end_it(
    operator: Operator, database: Database, stack: ExitStack
) -> None:
    old = stack.enter_context(session(database, "chirps/v2/pod-5"))

    code, out, _ = operator("can-i-contract", *CAREFUL)

    pid = old.info.backend_pid
    assert code == 1
    assert out.splitlines()[0] == (
        "no: 00009_contract.sql must wait: 1 session is of releases it shuts out"
    )
    assert f"  pid {pid}: release v2 in pod pod-5, role postgres" in out
    assert "last active " in out
    assert f"  SELECT pg_terminate_backend({pid});  -- chirps/v2/pod-5" in out
    assert "stop these pods: role postgres is not one release's" in out


def test_a_session_of_a_release_that_bears_it_is_no_hindrance(
    operator: Operator, database: Database, stack: ExitStack
) -> None:
    for name in ("chirps/v3/pod-1", "chirps-migrate/v2/job", "psql"):
        stack.enter_context(session(database, name))

    code, told = operator.ask("can-i-contract", *CAREFUL, *NOW)

    assert (code, told["sessions"], told["lowest_release"]) == (0, [], 3)


def test_a_session_of_nobody_knows_which_release_is_a_hindrance(
    operator: Operator, database: Database, stack: ExitStack
) -> None:
    stack.enter_context(session(database, "chirps/unknown/pod-1"))

    assert operator("can-i-contract", *CAREFUL)[0] == 1


def test_a_session_in_another_database_is_none_of_ours(
    operator: Operator, template: Database, stack: ExitStack
) -> None:
    other = stack.enter_context(new_database(template.server))
    stack.enter_context(session(other, "chirps/v1/pod-1"))

    assert operator("can-i-contract", *CAREFUL, *NOW)[0] == 0


def test_a_role_that_can_log_in_says_no_though_nobody_is_there(
    operator: Operator, database: Database, stack: ExitStack
) -> None:
    stack.enter_context(roles(database.server, chirps_v2="LOGIN", chirps_v3="LOGIN"))

    code, told = operator.ask("can-i-contract", *CAREFUL, *NOW)

    assert (code, told["fenced"]) == (1, False)
    assert told["roles"] == [{"name": "chirps_v2", "can_log_in": True}]
    assert told["next"] == ["ALTER ROLE chirps_v2 NOLOGIN;"]


def test_what_it_says_to_type_is_the_fence(
    operator: Operator, database: Database, stack: ExitStack
) -> None:
    stack.enter_context(roles(database.server, chirps_v2="LOGIN"))
    ghost = stack.enter_context(session(database, "hides its name", user="chirps_v2"))
    _, told = operator.ask("can-i-contract", *CAREFUL)
    assert told["sessions"][0]["release"] == "v2"

    with database.connect() as admin:
        for statement in told["next"]:
            admin.execute(statement.encode())

    # Without waiting: who cannot log in need not be waited for.
    while True:
        code, told = operator.ask("can-i-contract", *CAREFUL, "--quiet-for", "3600")
        if not told["sessions"]:
            break
    assert (code, told["fenced"]) == (0, True)
    assert told["next"] == []
    ghost.close()


def test_a_file_that_breaks_a_release_waits_for_it(
    template: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_database(template.server) as database, session(database, "chirps/v1b/pod-1"):
        migrate_up(database)
        operator = Operator(database, capsys)

        code, out, _ = operator("can-i-contract", "--track", "rename-careless")

    assert code == 1
    assert "00006_rename.sql (rename) breaks v1" in out


def test_only_the_files_up_to_a_version_are_asked_about(
    template: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    with new_database(template.server) as database, session(database, "chirps/v2/pod-1"):
        migrate_up(database, "rename-careful", 6)
        operator = Operator(database, capsys)

        assert operator("can-i-contract", *CAREFUL, *NOW, "--to", "8")[0] == 0
        assert operator("can-i-contract", *CAREFUL, *NOW, "--to", "9")[0] == 1


def test_nothing_to_contract_is_said_so(operator: Operator, database: Database) -> None:
    migrate_up(database, "rename-careful")

    code, out, _ = operator("can-i-contract", *CAREFUL)

    assert code == 0
    assert "no pending file of track rename-careful shuts a release out" in out


def test_a_question_changes_nothing(operator: Operator, database: Database) -> None:
    before = value(database, "SELECT count(*) FROM pg_class")

    operator("can-i-contract", *CAREFUL, *NOW)

    assert value(database, "SELECT count(*) FROM pg_class") == before


class FakeTime:
    def __init__(self) -> None:
        self.now_s = 0.0

    @property
    def clock(self) -> Clock:
        return Clock(lambda: self.now_s, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


EMPTY = Looked((), ())
COULD_RETURN = Looked((), (Role("chirps_v2", can_log_in=True),))
FENCED = Looked((), (Role("chirps_v2", can_log_in=False),))


def test_without_a_fence_it_looks_for_the_whole_time() -> None:
    time = FakeTime()

    assert watch(lambda: EMPTY, 60, time.clock) is EMPTY
    assert time.now_s == 60


def test_who_comes_back_meanwhile_ends_the_watch() -> None:
    time = FakeTime()

    looked = watch(lambda: COULD_RETURN if time.now_s >= 40 else EMPTY, 60, time.clock)

    assert (looked, time.now_s) == (COULD_RETURN, 40)


def test_a_fence_needs_no_watch() -> None:
    time = FakeTime()

    assert watch(lambda: FENCED, 60, time.clock).is_fenced
    assert time.now_s == 0


def test_a_release_that_nobody_knows_is_forbidden() -> None:
    assert Demand().forbids("v77")
    assert Demand().forbids(None)
    assert not Demand().forbids("v1")
