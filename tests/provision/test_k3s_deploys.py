"""The deploys, run by pyinfra itself against its own fake host, which only notes commands."""

import base64
import hashlib
import logging
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pyinfra.api.config import Config
from pyinfra.api.connect import connect_all
from pyinfra.api.deploy import add_deploy, deploy
from pyinfra.api.inventory import Inventory
from pyinfra.api.operations import run_ops
from pyinfra.api.state import State

from lab.provision import k3s, k3s_release, phases, steps
from lab.provision.k3s_config import Cluster

ACTIVE = {"is-active": "active"}
START = "Start k3s and wait until it works"
SECRETS = {"server_token": "s3rver-t0ken", "agent_token": "ag3nt-t0ken"}
PROGRAM = "a" * 64
SERVER: dict[str, Any] = {
    "node_name": "n1",
    "address": "10.77.0.11",
    "version": "v1.36.3+k3s1",
    "program": "",
    "program_sha256": PROGRAM,
    "images": "",
    "images_on_node": "",
    "images_name": "images.tar",
    "images_sha256": "b" * 64,
    "etcd": False,
    "server_address": "",
    "ca_hash": "",
    "san": ["127.0.0.1"],
    "labels": [],
    "cluster": {name: getattr(Cluster(), name) for name in Cluster.__dataclass_fields__},
    "tokens": SECRETS,
    "adopt": False,
    "wait_s": 0,
}
AGENT = SERVER | {
    "node_name": "n2",
    "address": "10.77.0.12",
    "server_address": "10.77.0.11",
    "ca_hash": "c" * 64,
    "tokens": {"agent_token": SECRETS["agent_token"]},
}


@dataclass
class Seen:
    """What pyinfra did: names of operations, and every command with its standard input."""

    names: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    stdin: list[str] = field(default_factory=list)
    as_root: list[bool] = field(default_factory=list)

    def stamps(self) -> tuple[str, ...]:
        """Return the stamps that the commands leave on a node where all of them succeed."""
        return tuple(line.rsplit("/", 1)[-1] for line in self.commands if "/stamps/k3s-" in line)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("pyinfra")
    before = logger.disabled
    logger.disabled = True
    yield
    logger.disabled = before


def run(
    recipe: Callable[[], None],
    data: Mapping[str, Any],
    *,
    stamps: tuple[str, ...] = (),
    answers: Mapping[str, Any] | None = None,
    program: str = PROGRAM,
    place: str = steps.STAMPS,
) -> Seen:
    """Run a deploy on a node with these stamps, on which a k3s with this hash is installed."""
    responses = {
        f"ls -1 {place}": list(stamps),
        f"sha256sum {k3s_release.PROGRAM}": f"{program}  {k3s_release.PROGRAM}",
        **(answers or {}),
    }
    fake = {"fake_responses": responses, "fake_delay": 0, "fake_delay_jitter": 0}
    state = State(Inventory(([("@fake/n1", {**data, **fake})], {})), Config(FAIL_PERCENT=0))
    connect_all(state)
    (host,) = state.inventory
    seen = Seen()
    execute = host.connector.run_shell_command

    def noted(command: Any, *args: Any, **kwargs: Any) -> Any:
        seen.commands.append(str(command))
        seen.as_root.append(bool(kwargs.get("_sudo")))
        if kwargs.get("_stdin"):
            seen.stdin.append(str(kwargs["_stdin"]))
        return execute(command, *args, **kwargs)

    host.connector.run_shell_command = noted
    add_deploy(state, recipe)
    asked = len(seen.commands)
    run_ops(state)
    seen.commands = seen.commands[asked:]
    seen.names = [
        sorted(state.get_op_meta(each).names)[0].rsplit(" | ", 1)[-1]
        for each in state.get_op_order()
    ]
    return seen


def test_a_server_is_made_in_the_order_in_which_each_step_needs_the_one_before() -> None:
    assert run(k3s.server, SERVER).names == [
        "Look for a k3s of somebody else",
        "Let ctr, crictl and kubectl mean those of k3s",
        "Write kernel settings",
        "Write configuration, tokens and unit",
        "Start k3s and wait until it works",
    ]


@pytest.mark.parametrize(("recipe", "data"), [(k3s.server, SERVER), (k3s.agent, AGENT)])
def test_the_second_run_does_nothing(recipe: Callable[[], None], data: dict[str, Any]) -> None:
    first = run(recipe, data)

    second = run(recipe, data, stamps=first.stamps(), answers=ACTIVE)

    assert (second.names, second.commands) == ([], [])


@pytest.mark.parametrize(("state", "started"), [("failed", 1), ("inactive", 1), ("activating", 0)])
def test_a_service_that_somebody_stopped_is_started_again(state: str, started: int) -> None:
    first = run(k3s.agent, AGENT)

    again = run(k3s.agent, AGENT, stamps=first.stamps(), answers={"is-active": state})

    assert again.names == ["Start k3s and wait until it works"] * started


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        ({"san": ["lab.example"]}, ["Write configuration, tokens and unit", START]),
        ({"images_sha256": "e" * 64, "images_on_node": "/usr/share/lab/k3s"}, ["Bring the images"]),
    ],
)
def test_what_changed_decides_what_is_done(change: dict[str, Any], steps: list[str]) -> None:
    first = run(k3s.server, SERVER)

    again = run(k3s.server, SERVER | change, stamps=first.stamps(), answers=ACTIVE)

    assert again.names == steps


def test_another_program_is_named_only_when_it_is_the_one_meant(tmp_path: Path) -> None:
    (tmp_path / "k3s").write_text("new")

    names = run(k3s.server, SERVER | {"program": str(tmp_path / "k3s")}, program="d" * 64).names

    assert names[1:4] == [
        "Make a private directory",
        "Upload k3s",
        "Verify k3s and give it its name",
    ]


def test_a_program_is_noted_as_labs_before_it_gets_its_name(tmp_path: Path) -> None:
    (tmp_path / "k3s").write_text("new")

    commands = run(k3s.server, SERVER | {"program": str(tmp_path / "k3s")}, program="").commands

    (named,) = [each for each in commands if "mv -f /usr/local/bin/k3s.new" in each]
    assert named.index(f"echo {PROGRAM} >> /var/lib/lab/k3s-programs") < named.index("install")


@pytest.mark.parametrize(("recipe", "data"), [(k3s.server, SERVER), (k3s.agent, AGENT)])
def test_tokens_are_sent_on_standard_input_only(
    recipe: Callable[[], None], data: dict[str, Any]
) -> None:
    seen = run(recipe, data)

    said = "\n".join(seen.names + seen.commands)
    assert not any(token in said for token in SECRETS.values())
    sent = b"".join(base64.b64decode(text) for text in seen.stdin)
    assert all(token.encode() in sent for token in data["tokens"].values())


def test_an_agent_is_never_sent_the_token_of_servers() -> None:
    sent = b"".join(base64.b64decode(text) for text in run(k3s.agent, AGENT).stdin)

    assert SECRETS["server_token"].encode() not in sent


def test_the_service_is_stopped_then_started_without_waiting_for_systemd() -> None:
    (start,) = [c for c in run(k3s.agent, AGENT).commands if "wait-for-k3s agent" in c]

    order = ("sha256sum", "stop k3s-agent", "balancer.json", "reset-failed", "start --no-block")
    places = [start.index(word) for word in (*order, "SINCE=")]
    assert places == sorted(places)
    assert "systemctl restart" not in start


def test_a_further_server_that_fails_does_not_try_on_as_etcds_one_learner() -> None:
    joining = AGENT | {"tokens": SECRETS, "etcd": True}

    def last(data: dict[str, Any]) -> str:
        return run(k3s.server, data).commands[-1]

    assert "systemctl stop --no-block k3s" in last(joining)
    assert "systemctl stop --no-block k3s" not in last(SERVER)


def test_images_that_are_not_those_of_the_lock_are_refused_and_not_taken_for_done(
    tmp_path: Path,
) -> None:
    (tmp_path / "layer").mkdir()
    (tmp_path / "layer/images.tar").write_text("content")
    right = hashlib.sha256(b"content").hexdigest()

    def bring(digest: str) -> "subprocess.CompletedProcess[str]":
        data = {"images_on_node": str(tmp_path / "layer"), "images_sha256": digest}
        (command,) = [
            each for each in run(k3s.prepare, SERVER | data).commands if "images.tar" in each
        ]
        for place in ("/var/lib/rancher", "/var/lib/lab"):
            command = command.replace(place, f"{tmp_path}{place}")
        return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)

    refused = bring("0" * 64)
    assert (refused.returncode, refused.stderr) == (1, "the images are damaged\n")
    assert not (tmp_path / "var").exists()

    assert bring(right).returncode == 0
    images = tmp_path / "var/lib/rancher/k3s/agent/images"
    assert sorted(file.name for file in images.iterdir()) == [".cache.json", "images.tar"]


def uploading(directory: Path) -> dict[str, Any]:
    """Return what a host is to get from the controller, two archives of images among it."""
    for name in ("images.tar", "lab-probe.tar"):
        (directory / name).write_text(name)
    probe = {"name": "lab-probe.tar", "path": str(directory / "lab-probe.tar"), "on_node": ""}
    return SERVER | {
        "images": str(directory / "images.tar"),
        "images_sha256": hashlib.sha256(b"images.tar").hexdigest(),
        "images_beside": [probe | {"sha256": hashlib.sha256(b"lab-probe.tar").hexdigest()}],
    }


def test_images_are_uploaded_privately_and_given_to_k3s_one_after_the_other(
    tmp_path: Path,
) -> None:
    first = run(k3s.prepare, uploading(tmp_path))

    assert first.names[1:7] == [
        "Make a private directory",
        "Upload the images",
        "Bring the images",
        "Make a private directory",
        "Upload the images in lab-probe.tar",
        "Bring the images in lab-probe.tar",
    ]
    assert run(k3s.prepare, uploading(tmp_path), stamps=first.stamps()).names == []


def test_what_was_sent_before_is_not_uploaded_again_and_what_was_changed_there_is(
    tmp_path: Path,
) -> None:
    data = uploading(tmp_path)
    staged = f"{phases.STAGE}/images.tar"

    def names(digest: str) -> list[str]:
        answers = {f"sha256sum {staged}": f"{digest}  {staged}"}
        return run(k3s.prepare, data, answers=answers).names

    assert "Upload the images" not in names(data["images_sha256"])
    assert "Upload the images" in names("0" * 64)


@pytest.mark.parametrize("name", ["images.tar", "lab-probe.tar"])
def test_an_upload_that_is_damaged_is_removed_and_nothing_else(tmp_path: Path, name: str) -> None:
    data = uploading(tmp_path)
    stage = tmp_path / "var/lib/lab/stage"
    stage.mkdir(parents=True)
    (command,) = [
        each
        for each in run(k3s.prepare, data).commands
        if "sha256sum --check" in each and f"{name}'" in each
    ]
    for place in ("/var/lib/rancher", "/var/lib/lab"):
        command = command.replace(place, f"{tmp_path}{place}")

    def bring(content: str) -> int:
        for each in ("images.tar", "lab-probe.tar"):
            (stage / each).write_text(content if each == name else "half")
        return subprocess.run(["sh", "-c", command], capture_output=True, check=False).returncode

    images = tmp_path / "var/lib/rancher/k3s/agent/images"
    assert (bring("other"), images.exists(), (stage / name).exists()) == (1, False, False)
    assert bring(name) == 0
    assert sorted(file.name for file in images.iterdir()) == [".cache.json", name]
    assert [file.read_text() for file in stage.iterdir()] == ["half"]


def test_a_change_that_failed_and_is_taken_back_is_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(steps, "STAMPS", str(tmp_path))

    def apply(stamp: str, command: str) -> bool:
        """Run the step as a node would; return whether there was one to run."""
        step = deploy("step")(
            lambda: steps.once("step", stamp=stamp, command=command, kind="k3s-runs")
        )
        present = tuple(file.name for file in tmp_path.iterdir())
        seen = run(step, SERVER, stamps=present, place=str(tmp_path))
        for line in seen.commands:
            subprocess.run(["sh", "-c", line], check=False)
        return bool(seen.commands)

    assert apply("k3s-runs-a", "true")
    assert not apply("k3s-runs-a", "true")
    assert apply("k3s-runs-b", "false")
    assert apply("k3s-runs-a", "true")


UPGRADE = SERVER | {
    "is_server": True,
    "first": True,
    "program_sha256": "f" * 64,
    "program_on_node": "/var/lib/lab/artifacts/k3s/k3s",
}


def test_an_upgrade_saves_the_data_brings_the_program_and_starts_it_once() -> None:
    made = run(k3s.server, SERVER).stamps()

    first = run(k3s.upgrade, UPGRADE, stamps=made, program=PROGRAM)
    now = (*(stamp for stamp in made if "-runs-" not in stamp), *first.stamps())
    second = run(k3s.upgrade, UPGRADE, stamps=now, program="f" * 64, answers=ACTIVE)

    assert first.names == [
        "Save the cluster's data",
        "Copy k3s",
        "Verify k3s and give it its name",
        "Start the new k3s and wait until it works",
    ]
    assert second.names == []


def test_an_upgrade_brings_the_probes_image_from_where_the_node_sees_it() -> None:
    beside = {"name": "lab-probe.tar", "sha256": "9" * 64, "path": "", "on_node": "/cache"}
    made = run(k3s.server, SERVER).stamps()

    seen = run(k3s.upgrade, UPGRADE | {"images_beside": [beside]}, stamps=made)

    assert "Bring the images in lab-probe.tar" in seen.names
    assert not [name for name in seen.names if name.startswith("Upload")]
    assert any("for file in /cache/lab-probe.tar; do" in each for each in seen.commands)


def test_the_data_is_saved_before_the_first_server_only() -> None:
    names = run(k3s.upgrade, UPGRADE | {"first": False}, program=PROGRAM).names

    assert "Save the cluster's data" not in names


def test_after_an_upgrade_the_usual_deploy_finds_nothing_to_do() -> None:
    made = run(k3s.server, SERVER).stamps()
    upgraded = run(k3s.upgrade, UPGRADE, stamps=made, program=PROGRAM).stamps()
    now = (*(stamp for stamp in made if "-runs-" not in stamp), *upgraded)
    data = SERVER | {"program_sha256": "f" * 64}

    assert run(k3s.server, data, stamps=now, program="f" * 64, answers=ACTIVE).names == []


def test_a_user_with_sudo_asks_and_acts_as_root_alike() -> None:
    seen = run(k3s.server, SERVER | {"_sudo": True})

    assert seen.as_root
    assert all(seen.as_root)
