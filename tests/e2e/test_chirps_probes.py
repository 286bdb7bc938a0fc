"""What do the probes of a real process say while its database or itself is unwell?"""

import json
from typing import Any

import pytest

from tests.chirps.process import Process, process, wait_for
from tests.chirps.real import add_users, migrate_up
from tests.chirps.relay import relay
from tests.postgres import Database, fresh_database, postgres  # noqa: F401 - fixtures

pytestmark = pytest.mark.e2e

QUICK = """
from lab.chirps import discriminator
discriminator.LOOK_EVERY_S, discriminator.PRIVATE_FOR_S = 0.2, 1.0
"""


@pytest.fixture
def database(fresh_database: Database) -> Database:  # noqa: F811 - a fixture
    migrate_up(fresh_database)
    add_users(fresh_database)
    return fresh_database


def status(service: Process, target: str) -> int:
    return service.ask("GET", target)[0]


def body(service: Process, target: str) -> Any:
    return json.loads(service.ask("GET", target)[2])


@pytest.mark.parametrize("policy", ["latch", "shallow"])
def test_a_database_that_goes_away_takes_no_pod_out(database: Database, policy: str) -> None:
    with relay(database) as between:
        variables = {**database.variables, **between.variables, "CHIRPS_READINESS": policy}
        with process(variables, linger_s=0.1) as service:
            service.wait_until_ready()
            wait_for(lambda: not body(service, "/readyz")["degraded"])
            between.stall()
            wait_for(lambda: body(service, "/readyz")["degraded"] == ["database"])

            for target in ("/readyz", "/page", "/livez", "/startupz"):
                assert status(service, target) == 200, target
            between.resume()
            wait_for(lambda: body(service, "/readyz")["degraded"] == [])


def test_deep_readiness_and_liveness_by_database_fail_with_the_database(
    database: Database,
) -> None:
    careless = {"CHIRPS_READINESS": "deep", "CHIRPS_LIVENESS": "database"}
    with relay(database) as between:
        variables = {**database.variables, **between.variables, **careless}
        with process(variables, linger_s=0.1) as service:
            service.wait_until_ready()
            assert status(service, "/livez") == 200
            between.stall()

            wait_for(lambda: status(service, "/readyz") == 503)
            wait_for(lambda: status(service, "/livez") == 503)
            assert status(service, "/page") == 200
            between.resume()
            wait_for(lambda: status(service, "/readyz") == status(service, "/livez") == 200)


def test_a_wrong_password_keeps_a_new_pod_out_and_says_why(database: Database) -> None:
    with process({**database.variables, "PGPASSWORD": "wrong"}, linger_s=0.1) as service:
        wait_for(lambda: "28P01" in service.ask("GET", "/readyz")[2].decode())

        assert (status(service, "/readyz"), status(service, "/startupz")) == (503, 503)
        assert status(service, "/livez") == 200
        wait_for(lambda: detail_of(service, "configuration").startswith("never connected: pass"))


def detail_of(service: Process, check: str) -> str:
    (found,) = (each for each in body(service, "/readyz")["checks"] if each["name"] == check)
    return str(found["detail"])


def test_a_wrong_password_does_not_keep_a_shallow_pod_out(database: Database) -> None:
    variables = {**database.variables, "PGPASSWORD": "wrong", "CHIRPS_READINESS": "shallow"}
    with process({**variables, "CHIRPS_POOL_TIMEOUT_S": "0.2"}, linger_s=0.1) as service:
        wait_for(lambda: status(service, "/readyz") == 200)

        assert status(service, "/chirps") == 503


def test_a_zombie_says_that_a_restart_would_help(database: Database) -> None:
    variables = {**database.variables, "CHIRPS_DEFECT": "dead-pool:3"}
    with process(variables, linger_s=0.1, prelude=QUICK) as service:
        service.wait_until_ready()
        assert service.wait_for_line(event="defects")["defects"] == ["dead-pool:3"]

        wait_for(lambda: status(service, "/livez") == 503)
        assert "a fresh connection works" in body(service, "/livez")["failures"][0]
        wait_for(lambda: status(service, "/readyz") == 503)
        service.terminate()
        assert service.wait() == 0


def test_a_loop_that_stands_still_answers_nothing(database: Database) -> None:
    with process({**database.variables, "CHIRPS_DEFECT": "stuck-loop:2"}) as service:
        service.wait_until_ready()

        wait_for(lambda: is_silent(service))


def is_silent(service: Process) -> bool:
    """Say whether /livez has no answer within the timeout that a liveness probe has."""
    probe = service.connect()
    assert probe.sock is not None
    probe.sock.settimeout(2)
    try:
        probe.request("GET", "/livez")
        probe.getresponse().read()
    except TimeoutError:
        return True
    finally:
        probe.close()
    return False
