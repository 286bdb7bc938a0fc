"""The Debian in which the Docker daemon of tests runs: an artifact, nothing on this host."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts import debian, mmdebstrap
from lab.artifacts.recipe import Workshop, architecture, digest_text

PACKAGES = ("docker.io", "iproute2", "iptables", "kmod", "procps", "python3-minimal")
EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
RUNTIME = "usr/local/bin/runc-as-allowed"
# `--privileged` asks for every capability there is, and one that the daemon itself does not have
# cannot be given: the container would not start ("unable to apply caps").
RUNTIME_SCRIPT = """\
#!/usr/bin/python3
import json, os, sys
from pathlib import Path

def bundle(argv):
    for at, word in enumerate(argv):
        if word in ("--bundle", "-b"):
            return argv[at + 1]
    return "."

def bounding():
    status = Path("/proc/self/status").read_text()
    return int(status.split("CapBnd:")[1].split()[0], 16)

SYS_RESOURCE = 24
if {"create", "run"} & set(sys.argv[1:]) and not bounding() >> SYS_RESOURCE & 1:
    file = Path(bundle(sys.argv[1:]), "config.json")
    config = json.loads(file.read_text())
    for name, held in (config["process"].get("capabilities") or {}).items():
        config["process"]["capabilities"][name] = [c for c in held if c != "CAP_SYS_RESOURCE"]
    config["process"].pop("rlimits", None)
    config["process"].pop("oomScoreAdj", None)
    file.write_text(json.dumps(config))
os.execv("/usr/sbin/runc", ["runc", *sys.argv[1:]])
"""


@dataclass(frozen=True, slots=True)
class DockerRoot:
    """A recipe of tests."""

    name: str = "test-docker"

    @property
    def needs(self) -> tuple[str, ...]:
        return ()

    @property
    def owned_by_root(self) -> bool:
        return True

    def inputs(self) -> Mapping[str, str]:
        return {
            "architecture": architecture(),
            "packages": " ".join(PACKAGES),
            "runtime": digest_text(RUNTIME_SCRIPT),
            "suite": debian.SUITE,
        }

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        mmdebstrap.require("the Docker of tests")
        with workshop.progress.task("Installing Docker for the tests"):
            mmdebstrap.bootstrap(workshop.tree, options(), workshop, what="the Docker of tests")
        runtime = workshop.tree / RUNTIME
        runtime.write_text(RUNTIME_SCRIPT)
        runtime.chmod(0o755)
        # Docker would copy the host's name servers to its containers.
        (workshop.tree / "etc/resolv.conf").write_text("")
        status = (workshop.tree / "var/lib/dpkg/status").read_text()
        return debian.installed_packages(status)


def options() -> Iterator[str]:
    yield from ("--variant=minbase", f"--include={','.join(PACKAGES)}")
    yield "--dpkgopt=force-unsafe-io"
    yield from (f"--dpkgopt=path-exclude={pattern}" for pattern in EXCLUDED)


def docker_program(tree: Path) -> Path:
    return tree / "usr/bin/docker"
