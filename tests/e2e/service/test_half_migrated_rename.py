"""The scenario on six nodes, proved both ways: it breaks as predicted, and the checks can fail."""

import json
from typing import Any

import pytest

from tests.e2e.home import Done
from tests.e2e.service.conftest import Served
from tests.e2e.verdicts import assert_agree

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

NAME = "half-migrated-rename"


@pytest.fixture(scope="module")
def played(served: Served) -> Done:
    done = served.home.lab("scenario", "run", NAME, "--json", timeout_s=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def told(played: Done) -> dict[str, dict[str, Any]]:
    return {each["variant"]: each for each in json.loads(played.stdout)}


def test_careless_is_reproduced_and_careful_is_prevented(told: dict[str, dict[str, Any]]) -> None:
    assert {name: each["outcome"] for name, each in told.items()} == {
        "careless": "reproduced",
        "careful": "prevented",
    }


def test_what_fails_is_the_old_release_asking_for_a_column_that_is_gone(
    told: dict[str, dict[str, Any]],
) -> None:
    rows = told["careless"]["signature"]

    matching = [r for r in rows if (r["release"], r["sqlstate"]) == ("v1", "42703")]
    assert sum(r["count"] for r in matching) >= 0.95 * sum(r["count"] for r in rows)
    assert {r["endpoint"] for r in matching} == {"list_chirps", "get_chirp", "create_chirp"}


def test_as_many_fail_as_the_observed_rollout_predicts(told: dict[str, dict[str, Any]]) -> None:
    sizes = [c for c in told["careless"]["checks"] if c["name"].startswith("number of failures")]

    assert len(sizes) == 2
    assert all(check["ok"] and check["predicted"] > 0 for check in sizes)


def test_the_client_takes_the_users_path(served: Served, played: Done) -> None:
    path = served.newest(NAME) / "careful" / "history.jsonl"
    events = [json.loads(line) for line in path.read_text().splitlines()]
    address = served.kubectl("get", "service", "chirps", "-o", "jsonpath={.spec.clusterIP}")

    fresh = [e for e in events if e["kind"] == "request" and e["stream"] == "fresh"]
    baseline = [e["pod"] for e in fresh if e["release"] == "v1"]
    assert events[0]["facts"]["target"] == f"http://{address}:80"
    # Through the Service every connection may meet another pod; a forwarded port has one.
    assert len(set(baseline)) == events[0]["facts"]["replicas"]


def test_each_object_names_what_a_script_looks_for(told: dict[str, dict[str, Any]]) -> None:
    for each in told.values():
        assert each["scenario"] == NAME
        assert (each["stage"], each["distribution"], each["clock"]) == (
            "sandbox",
            "kubeadm",
            "honest",
        )
        assert each["requests"] > 1000
        assert each["run"].startswith(f"{NAME}/")


def test_a_stored_run_is_judged_alike_again_and_its_page_is_the_same_to_the_byte(
    served: Served, played: Done
) -> None:
    home = served.home
    page = served.newest(NAME) / "report.html"
    before = page.read_bytes()

    again = home.must("report", "recheck", NAME)
    home.must("report", "html", NAME)

    assert [line.split()[-1] for line in again.splitlines()[1:]] == ["no", "no"]
    assert page.read_bytes() == before
    assert len(before) < 2_000_000


def test_the_summary_shows_predicted_and_measured(served: Served, played: Done) -> None:
    shown = served.home.must("report", "show", NAME)

    assert "AS PREDICTED" in shown
    assert "careless: predicted against measured" in shown
    assert "sandbox, kubeadm" in shown
    assert "\x1b" not in shown


def test_no_password_stands_in_what_a_run_leaves(served: Served, played: Done) -> None:
    left = [path.read_bytes() for path in served.newest(NAME).rglob("*") if path.is_file()]

    assert len(left) == 6
    for password in served.passwords():
        assert not any(password.encode() in content for content in left)


def test_the_twin_agrees_in_outcome_and_signature(
    served: Served, told: dict[str, dict[str, Any]]
) -> None:
    assert_agree(served.prove(NAME, "--stage", "twin"), told)


@pytest.mark.parametrize(
    ("variant", "outcome"),
    [("control", "not reproduced"), ("careful-with-rename", "not prevented")],
)
def test_a_proof_of_seconds_goes_the_other_way_for_its_own_reason(
    served: Served, variant: str, outcome: str
) -> None:
    done = served.run("quick", "--variant", variant, "--json")

    (told,) = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told["outcome"] == outcome
    assert told["as_predicted"] is True


@pytest.mark.long
@pytest.mark.parametrize(
    ("variant", "outcome"),
    [("control", "not reproduced"), ("careful-without-expand", "not prevented")],
)
def test_a_proof_goes_the_other_way_for_its_own_reason(
    served: Served, variant: str, outcome: str
) -> None:
    done = served.home.lab("scenario", "run", NAME, "--variant", variant, "--json")

    (told,) = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told["outcome"] == outcome
    assert told["as_predicted"] is True
