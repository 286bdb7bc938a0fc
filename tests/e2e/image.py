"""Run what an image holds without a container runtime: its layers unpacked, in namespaces."""

import json
import os
import signal
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.machines.processes import children

ENTER = """\
root=$1 user=$2; shift 2
mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" \
&& exec chroot --userspec="$user" "$root" "$@"
"""


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The file system and the configuration of one image."""

    root: Path
    config: dict[str, Any]

    def command(self, *argv: str, user: str | None = None, **environment: str) -> list[str]:
        """Return how to run `argv` as the first process of the image's own process namespace.

        It gets the image's variables and `environment`, and nothing of the host's.
        """
        variables = [*self.config["Env"], *(f"{k}={v}" for k, v in environment.items())]
        inside = ["/usr/bin/env", "-i", *variables, *argv]
        who = user or self.config.get("User", "0:0")
        unshare = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        return [*unshare, "sh", "-c", ENTER, "sh", str(self.root), who, *inside]

    def run(
        self, *argv: str, user: str | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        command = self.command(*argv, user=user, **environment)
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    @contextmanager
    def started(self, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run the image's entry point; whatever runs in it is gone at the end."""
        command = self.command(*self.config["Entrypoint"], *arguments, **environment)
        with (self.root.parent / f"{self.root.name}.log").open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
            try:
                yield process
            finally:
                # unshare's own --kill-child is lost when the program changes its user: the
                # kernel forgets the signal of a dead parent then, prctl(2).
                for child in children(process.pid):
                    os.kill(child, signal.SIGKILL)
                process.kill()
                process.wait()

    def log(self) -> str:
        return (self.root.parent / f"{self.root.name}.log").read_text()


def unpack(archive: Path, tag: str, root: Path) -> Unpacked:
    with tarfile.open(archive) as tar:
        entries = json.load(member(tar, "manifest.json"))
        entry = next(each for each in entries if tag in each["RepoTags"])
        for name in entry["Layers"]:
            with tarfile.open(fileobj=member(tar, name)) as layer:
                layer.extractall(root, filter="fully_trusted")
        return Unpacked(root, json.load(member(tar, entry["Config"]))["config"])


def member(tar: tarfile.TarFile, name: str) -> Any:
    file = tar.extractfile(name)
    assert file is not None
    return file


def first_process(process: subprocess.Popen[bytes]) -> int:
    """Return the pid, on this host, of the first process in the image's namespace."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])
