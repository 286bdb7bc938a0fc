"""Deploying the sample service, resetting it, and the ways into it."""

import json
import urllib.request

import pytest

from tests.e2e.home import Home, wait_for
from tests.e2e.service.conftest import Served

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_the_service_answers_on_loopback_where_deploy_says(served: Served) -> None:
    url = f"{served.deployed['address']}/chirps?author_id=1&limit=2"

    with urllib.request.urlopen(url, timeout=10) as answer:
        chirps = json.load(answer)

    assert served.deployed["address"].startswith("http://127.0.0.1:")
    assert answer.headers["X-Chirps-Version"] == "v1"
    assert answer.headers["X-Chirps-Node"] in ("n3", "n4", "n5", "n6")
    assert len(chirps) == 2


def test_each_part_runs_where_it_belongs(served: Served) -> None:
    pods = json.loads(served.kubectl("get", "pods", "-o", "json"))["items"]

    places = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in pods}
    assert places["observer-0"] == "n1"
    assert places["postgres-0"] == "n2"
    chirps = [node for name, node in places.items() if name.startswith("chirps-")]
    assert sorted(chirps) == ["n3", "n4", "n5", "n6"]


def test_a_second_deploy_changes_nothing_and_says_so(served: Served) -> None:
    before = served.kubectl("get", "pods", "-o", "name")

    told = served.home.must("deploy")

    assert "is deployed already; nothing was changed: v1 at http://127.0.0.1:" in told
    assert served.kubectl("get", "pods", "-o", "name") == before


def test_a_reset_restores_what_was_changed_and_what_was_deleted(served: Served) -> None:
    home = served.home
    home.must("psql", "-c", "DELETE FROM chirps; ALTER TABLE chirps RENAME body TO text")

    home.must("reset")

    counted = home.must("psql", "-Atc", "SELECT count(body), count(DISTINCT author_id) FROM chirps")
    assert counted.strip().split("|")[0] == "300000"


def test_migrate_status_tells_what_is_applied_and_what_a_track_would_add(served: Served) -> None:
    base = served.home.lab("chirps", "migrate", "status")
    track = served.home.lab("chirps", "migrate", "status", "--track", "rename-careful", "--json")

    assert base.returncode == 0
    assert "00005_membership.sql" in base.stdout
    # What is pending is an answer, and a no: 1.
    assert track.returncode == 1
    assert "00007_backfill.sql" in track.stdout
    assert "pending" in json.dumps(json.loads(track.stdout))


def test_no_password_is_in_a_command_line_or_a_log_or_a_file_that_others_may_read(
    served: Served,
) -> None:
    home = served.home
    logs = "".join(
        served.kubectl("logs", pod) for pod in ("postgres-0", "observer-0", "deployment/chirps")
    )
    world = [
        path.read_bytes()
        for path in home.directory.rglob("*")
        if path.is_file() and path.stat().st_mode & 0o004 and "nodes" not in path.parts
    ]
    shown = [
        text for text in served.sampler.shown if b"\0PG" not in text and b"PGUSER=" not in text
    ]

    for password in served.passwords():
        secret = password.encode()
        assert not [text for text in shown if secret in text]
        assert password not in logs
        assert not any(secret in content for content in world)


def test_a_lab_that_does_not_exist_has_no_database(served: Served) -> None:
    done = served.home.lab("psql", "--name", "elsewhere")

    assert done.returncode == 2
    assert "no lab called 'elsewhere'" in done.stderr


def test_the_service_comes_back_with_a_lab_that_was_stopped(served: Served) -> None:
    home = served.home
    home.must("psql", "-c", "UPDATE users SET email = 'kept@example.com' WHERE id = 1")

    home.must("stop")
    home.must("start")

    address = home.json("status")["service"]
    assert address == served.deployed["address"]
    assert wait_for(lambda: answers(f"{address}/chirps?author_id=1"), timeout_s=60)
    assert home.must("psql", "-Atc", "SELECT email FROM users WHERE id = 1") == "kept@example.com\n"
    home.must("reset")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_deploy_that_was_cut_short_is_gone_on_with(served: Served) -> None:
    served.kubectl("scale", "deployment/chirps", "--replicas", "0")

    told = served.home.must("deploy")

    assert "nothing was changed" not in told
    assert len(served.kubectl("get", "pods", "-o", "name").splitlines()) == 7


def test_the_default_profile_is_deployed_in_place_of_the_other(served: Served) -> None:
    told = served.home.json("deploy", "--profile", "defaults")
    spec = json.loads(served.kubectl("get", "deployment", "chirps", "-o", "json"))["spec"]
    served.home.must("deploy")

    assert (told["changed"], told["profile"]) == (True, "defaults")
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": "25%", "maxUnavailable": "25%"}


@pytest.mark.long
def test_without_a_service_nothing_is_played_and_no_run_is_left(home: Home) -> None:
    home.must("up", "--nodes", "1")

    done = home.lab("scenario", "run", "half-migrated-rename")
    deployed = home.json("deploy", "--users", "100", "--chirps", "1000")

    assert done.returncode == 4
    assert "Error: the sample service is not deployed" in done.stderr
    assert "Hint: sudo lab deploy" in done.stderr
    assert not (home.paths.state / "runs").exists()
    # One node has every role, and all four pods of the service.
    assert answers(f"{deployed['address']}/chirps?author_id=1")


def test_a_profile_that_does_not_exist_is_told_with_those_that_do(served: Served) -> None:
    done = served.home.lab("deploy", "--profile", "fast")

    assert done.returncode == 2
    assert "no profile 'fast'; there are defaults, lab-good" in done.stderr
