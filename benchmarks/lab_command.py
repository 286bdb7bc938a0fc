"""Call `lab` as a user does, for a lab of the benchmark's own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from benchmarks.machine import program
from benchmarks.timing import Timed, timed
from lab.lifecycle import record as records
from lab.lifecycle.record import Record
from lab.paths import Paths

NAME = "bench"


@dataclass(frozen=True, slots=True)
class LabCommand:
    paths: Paths
    environment: Mapping[str, str]

    def call(self, command: str, *arguments: str) -> Timed:
        argv = [program("lab"), command, "--name", NAME, *arguments]
        return timed(argv, env=self.environment)

    def up(self, *options: str) -> tuple[Timed, dict[str, float]]:
        """Return how long it took, and title → seconds of its phases."""
        # Named, so that figures do not depend on what the network offers.
        done = self.call("up", "--json", "--distribution", "kubeadm", *options)
        phases = json.loads(done.output)["phases"]
        return done, {phase["phase"]: phase["seconds"] for phase in phases}

    def down(self) -> Timed:
        return self.call("down", "--yes")

    def record(self) -> Record:
        return records.load(self.paths, NAME)

    def remove(self) -> None:
        if self.paths.lab(NAME).is_dir():
            self.down()
