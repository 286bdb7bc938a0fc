"""One lab of six nodes with the sample service on it, for all tests of this folder."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import new_home
from tests.e2e.home import Done, Home
from tests.e2e.secrets import Sampler
from tests.e2e.verdicts import Verdicts, prove

SCENARIOS = Path(__file__).with_name("scenarios")


@dataclass(frozen=True, slots=True)
class Served:
    """The lab `lab`, what its first deploy told, and everything that processes showed meanwhile."""

    home: Home
    deployed: dict[str, Any]
    sampler: Sampler

    @property
    def runs(self) -> Path:
        return self.home.paths.state / "runs"

    def run(self, scenario: str, *options: str, timeout_s: float = 400) -> Done:
        """Play one of this folder's scenarios."""
        chosen = ("--scenarios", str(SCENARIOS), *options)
        return self.home.lab("scenario", "run", scenario, *chosen, timeout_s=timeout_s)

    def prove(self, scenario: str, *options: str) -> Verdicts:
        """Play one of lab's own until it could be trusted."""
        chosen = ("scenario", "run", scenario, "--json", *options)
        return prove(lambda: self.home.lab(*chosen, timeout_s=900))

    def newest(self, scenario: str) -> Path:
        """Return the directory of the latest run of a scenario."""
        return (self.runs / scenario / "latest").resolve()

    def phase(self, scenario: str, variant: str) -> str:
        """Return the phase that the latest run is in, as its history on the disk tells."""
        try:
            lines = (self.newest(scenario) / variant / "history.jsonl").read_bytes().split(b"\n")
        except (FileNotFoundError, NotADirectoryError):
            return ""
        phases = [json.loads(line) for line in lines[:-1] if b'"kind": "phase"' in line]
        return phases[-1]["name"] if phases else "setup"

    def kubectl(self, *arguments: str) -> str:
        return self.home.must("kubectl", "-n", "chirps", *arguments)

    def passwords(self) -> list[str]:
        """Return every password of the database, as the cluster keeps it."""
        secrets = json.loads(self.kubectl("get", "secrets", "-o", "json"))["items"]
        return [self.decode(each["data"]["password"]) for each in secrets]

    @staticmethod
    def decode(value: str) -> str:
        import base64

        return base64.b64decode(value).decode()


@pytest.fixture(scope="package")
def served() -> Iterator[Served]:
    with new_home(searched=True) as home:
        home.must("up")
        with Sampler(home.tokens, home.shown) as sampler:
            deployed = json.loads(home.must("deploy", "--json"))
            yield Served(home, deployed, sampler)
