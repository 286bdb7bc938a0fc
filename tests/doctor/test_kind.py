import pytest

from lab.doctor import kind
from lab.machines import docker
from tests.machines.fake_docker import FakeDocker


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    made = FakeDocker()
    monkeypatch.setattr(docker, "run", made.run)
    return made


def test_a_docker_that_answers_is_named_with_its_version(fake: FakeDocker) -> None:
    found = kind.daemon()

    assert (found.ok, found.detail) == (True, "Docker 20.10.24 answers")


def test_a_docker_that_refuses_is_told_with_the_command_that_helps(fake: FakeDocker) -> None:
    fake.away = "permission denied while trying to connect to the docker API at unix:///x"

    found = kind.daemon()

    assert not found.ok
    assert "usermod" in (found.fix or "")


def test_a_docker_from_before_cgroup_namespaces_is_too_old(
    fake: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(docker, "version", lambda: "19.03.15")

    assert kind.daemon().detail == "Docker 19.03.15, needs 20.10"


def test_limits_are_not_said_to_be_raised(fake: FakeDocker) -> None:
    assert "raises" not in kind.inotify().detail
