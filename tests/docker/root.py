"""The Debian in which the Docker daemon of tests runs: an artifact, nothing on this host."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.artifacts import debian, mmdebstrap
from lab.artifacts.recipe import Workshop, architecture

PACKAGES = ("docker.io", "iproute2", "iptables", "kmod", "procps")
EXCLUDED = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")


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
            "suite": debian.SUITE,
        }

    def build(self, workshop: Workshop) -> Mapping[str, str]:
        mmdebstrap.require("the Docker of tests")
        with workshop.progress.task("Installing Docker for the tests"):
            mmdebstrap.bootstrap(workshop.tree, options(), workshop, what="the Docker of tests")
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
