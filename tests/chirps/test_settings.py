from pathlib import Path

import pytest

from lab.chirps import settings
from lab.chirps.errors import BadConfiguration


def mistakes_in(environ: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(BadConfiguration) as raised:
        settings.read(environ, needs_code=True)
    return raised.value.mistakes


def test_what_is_not_set_has_a_default() -> None:
    found = settings.read({"CHIRPS_CODE": "v2_naive"}, needs_code=True)

    assert found.release == "v2-naive"
    assert (found.host, found.port, found.track) == ("0.0.0.0", 8080, "base")
    assert (found.pool_size, found.pool_timeout_s, found.graceful_s) == (8, 2, 15)
    assert (found.gate, found.gate_rule, found.gate_budget_s) == ("off", "required", 60)
    assert (found.lock, found.readiness, found.liveness) == ("none", "latch", "loop")
    assert (found.worker, found.defect) == ("off", "")
    assert found.database == {}


@pytest.mark.parametrize(
    ("variable", "choices"),
    [
        ("CHIRPS_GATE", settings.GATES),
        ("CHIRPS_GATE_RULE", settings.GATE_RULES),
        ("CHIRPS_LOCK", settings.LOCKS),
        ("CHIRPS_READINESS", settings.READINESS),
        ("CHIRPS_LIVENESS", settings.LIVENESS),
    ],
)
def test_a_policy_is_one_of_those_that_are_told(variable: str, choices: tuple[str, ...]) -> None:
    for choice in choices:
        settings.read({variable: choice})

    (mistake,) = mistakes_in({"CHIRPS_CODE": "v1", variable: "Wait"})

    assert mistake == f"{variable} is 'Wait': it must be {' or '.join(choices)}"


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "3601", "a minute"])
def test_the_budget_of_the_gate_is_seconds_and_ends(value: str) -> None:
    (mistake,) = mistakes_in({"CHIRPS_CODE": "v1", "CHIRPS_GATE_BUDGET_S": value})

    assert mistake.startswith(f"CHIRPS_GATE_BUDGET_S is {value!r}")


def test_what_is_set_to_nothing_counts_as_not_set() -> None:
    found = settings.read({"CHIRPS_PORT": "", "CHIRPS_RELEASE": "", "PGHOST": "", "PGPORT": ""})

    assert (found.port, found.release, found.database) == (8080, "unknown", {})


def test_the_password_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hush\n")

    found = settings.read({"PGPASSWORD_FILE": str(file), "PGUSER": "chirps_v1"})

    assert found.database == {"user": "chirps_v1", "password": "hush"}


def test_a_password_file_that_cannot_be_read_is_told_with_its_name(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")

    with pytest.raises(BadConfiguration, match=r"PGPASSWORD_FILE is '.*missing'"):
        settings.read({"PGPASSWORD_FILE": missing})


def test_the_database_is_where_libpq_would_look() -> None:
    found = settings.read({"PGHOST": "postgres", "PGUSER": "chirps_v1", "PGPASSWORD": "x y"})

    assert found.database == {"host": "postgres", "user": "chirps_v1", "password": "x y"}


def test_the_password_is_not_in_the_text_of_the_settings() -> None:
    assert "hush" not in repr(settings.read({"PGPASSWORD": "hush"}))


def test_all_mistakes_are_told_at_once() -> None:
    mistakes = mistakes_in(
        {
            "CHIRPS_POD": "two words",
            "CHIRPS_PORT": "eighty",
            "CHIRPS_POOL_SIZE": "0",
            "CHIRPS_POOL_TIMEOUT_S": "-1",
            "CHIRPS_GRACEFUL_S": "nan",
            "CHIRPS_LOG_LEVEL": "loud",
            "PGPORT": "65536",
        }
    )

    named = {mistake.split()[0] for mistake in mistakes}
    assert named == {
        "CHIRPS_CODE",
        "CHIRPS_POD",
        "CHIRPS_PORT",
        "CHIRPS_POOL_SIZE",
        "CHIRPS_POOL_TIMEOUT_S",
        "CHIRPS_GRACEFUL_S",
        "CHIRPS_LOG_LEVEL",
        "PGPORT",
    }


@pytest.mark.parametrize("value", ["8_0", " 80", "+80", "80.0", "²", "-1", "99999999999"])
def test_a_number_is_digits_and_nothing_else(value: str) -> None:
    (mistake,) = mistakes_in({"CHIRPS_CODE": "v1", "CHIRPS_PORT": value})

    assert repr(value) in mistake


@pytest.mark.parametrize("value", ["v1\r\nSet-Cookie: a=b", "a/b", "-v1", "ü", "a" * 60])
def test_a_name_can_go_into_a_header_and_into_application_name(value: str) -> None:
    (mistake,) = mistakes_in({"CHIRPS_CODE": "v1", "CHIRPS_RELEASE": value, "CHIRPS_POD": "pod"})[
        :1
    ]

    assert "CHIRPS_RELEASE" in mistake


def test_sessions_of_service_and_migration_have_different_names() -> None:
    found = settings.read({"CHIRPS_RELEASE": "v1", "CHIRPS_POD": "pod-1"})

    assert found.application_name == "chirps/v1/pod-1"
    assert found.migration_name == "chirps-migrate/v1/pod-1"


def test_only_serving_needs_code() -> None:
    assert settings.read({}).code == ""
    assert mistakes_in({})[0].startswith("CHIRPS_CODE is not set")
