"""A Secret that was changed is in the pods that run when it was seen there, and not before."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab.errors import RequestRefused
from lab.service import secret_files


class Api:
    """Pods whose files follow the Secret when they have been annotated `lag` times."""

    def __init__(self, *pods: dict[str, Any], lag: int = 1) -> None:
        self.pods = list(pods)
        self.lag = lag
        self.nudged: list[str] = []
        self.marks: set[str] = set()

    def get(self, path: str, **_query: str) -> dict[str, Any]:
        assert path.endswith("/pods")
        return {"items": self.pods}

    def merge(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.nudged.append(path.rpartition("/")[2])
        self.marks.update(body["metadata"]["annotations"].values())
        return {}

    def holds(self, pod: str, password: str) -> bool:
        assert password == "new"
        return self.nudged.count(pod) >= self.lag


def pod(name: str, *, release: str = "v1", state: str = "running", leaves: bool = False) -> Any:
    leaving = {"deletionTimestamp": "now"} if leaves else {}
    return {
        "metadata": {"name": name, "labels": {secret_files.RELEASE: release}, **leaving},
        "status": {"containerStatuses": [{"state": {state: {}}}]},
    }


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_files, "AGAIN_AFTER_S", 0)


def spread(api: Api, *, within_s: float = 10) -> list[str]:
    return secret_files.spread(api, api.holds, "v1", "new", within_s=within_s)  # type: ignore[arg-type]


def test_each_pod_of_the_release_is_annotated_and_looked_into():
    api = Api(pod("a"), pod("b"), pod("other", release="v2"), pod("old", leaves=True))

    assert spread(api) == []
    assert api.nudged == ["a", "b"]


def test_a_kubelet_that_looked_too_early_is_made_to_look_again():
    api = Api(pod("a"), lag=3)

    assert spread(api) == []
    assert (api.nudged, len(api.marks)) == (["a"] * 3, 3)


def test_a_pod_that_keeps_another_password_is_named():
    api = Api(pod("a"), pod("b"))
    api.holds = lambda name, _password: name == "a"  # type: ignore[method-assign]

    assert spread(api, within_s=-1) == ["b"]


def test_a_pod_that_waits_is_annotated_and_not_looked_into():
    api = Api(pod("a", state="waiting"))
    api.holds = lambda _name, _password: False  # type: ignore[method-assign]

    assert spread(api) == []
    assert api.nudged == ["a"]


def test_a_pod_that_goes_meanwhile_is_waited_for_no_more():
    api = Api(pod("a"))

    def refuse(_path: str, _body: dict[str, Any]) -> dict[str, Any]:
        api.pods.clear()
        raise RequestRefused("no such pod", status=404)

    api.merge = refuse  # type: ignore[method-assign]
    api.holds = lambda _name, _password: False  # type: ignore[method-assign]

    assert spread(api) == []


def test_without_pods_there_is_nothing_to_wait_for():
    assert spread(Api()) == []


@pytest.mark.parametrize(
    ("written", "code"), [("right", 0), ("right\n", 0), ("wrong", 1), ("", 1), (None, 1)]
)
def test_a_file_is_compared_without_its_password_in_the_arguments(
    tmp_path: Path, written: str | None, code: int
):
    file = tmp_path / "password"
    if written is not None:
        file.write_text(written)
    script = secret_files.SCRIPT.replace(secret_files.FILE, str(file))

    done = subprocess.run(["sh", "-c", script], input="right\n", text=True, check=False)

    assert min(done.returncode, 1) == code
    assert "right" not in " ".join(secret_files.looking_command(["kubectl"], "pod"))
