"""The cluster made by hand: minimal-up.sh with what it needs to know."""

import os
from dataclasses import dataclass
from pathlib import Path

from benchmarks.timing import Timed, timed
from lab import artifacts
from lab.artifacts import kubeimages
from lab.machines import sysctls
from lab.paths import Paths
from lab.provision.kubeadm_phases import Kubeadm

SCRIPT = Path(__file__).with_name("minimal-up.sh")
# The name under which the host's settings are held while it is up.
HOLDER = "minimal-up"


@dataclass(frozen=True, slots=True)
class Hand:
    directory: Path
    paths: Paths

    def up(self) -> Timed:
        # Held as a lab holds them, so that a lab that goes meanwhile does not take them away.
        sysctls.hold(HOLDER)
        return self._run("up")

    def down(self) -> Timed:
        done = self._run("down")
        sysctls.release(HOLDER)
        return done

    def remove(self) -> None:
        if self.directory.exists():
            self.down()
        sysctls.release(HOLDER)

    def _run(self, verb: str) -> Timed:
        distribution = Kubeadm()
        built = artifacts.locate(distribution.recipes(), self.paths)
        layers = distribution.layers({name: artifact.tree for name, artifact in built.items()})
        environment = {
            "LAYERS": os.pathsep.join(map(str, layers)),
            "VERSION": distribution.version,
            "COREDNS": kubeimages.COREDNS,
            "PAUSE": kubeimages.PAUSE,
        }
        return timed([str(SCRIPT), verb, str(self.directory)], env=environment)
