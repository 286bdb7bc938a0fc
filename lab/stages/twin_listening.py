"""The way to a twin's pods: files that all their containers wrote, and a port on loopback."""

import http.client
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lab.scenario.log_lines import Entry
from lab.stages.listening import MOST_LINES, Pod

WITHIN_S = 2.0
LONGEST_LINE = 64 * 1024
LARGEST_ANSWER = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TwinWay:
    """Implements `lab.stages.listening.Way`; `keep` is where the world keeps logs."""

    keep: Path

    @property
    def logs_stay(self) -> bool:
        return True

    def log(self, pod: Pod, since_s: float) -> Sequence[Entry]:
        """Return all of it. Lines of the service tell themselves when they were written; those of
        a migration do not, and have the time at which it ended."""
        return list(islice(self._lines(pod), MOST_LINES))

    def _lines(self, pod: Pod) -> Iterator[Entry]:
        for path in self._files(pod):
            with path.open("rb") as written:
                ended_s = None if pod.serves else os.fstat(written.fileno()).st_mtime
                while line := written.readline(LONGEST_LINE):
                    yield ended_s, line.decode(errors="replace")

    def _files(self, pod: Pod) -> list[Path]:
        """Return one file of a Job's pod, and one for each container of the service's."""
        if not pod.serves:
            return [self.keep / f"{pod.name}.log"]
        files = (self.keep / f"{pod.name}.{n}.log" for n in range(pod.restarts + 1))
        # The last one may be waited for: a container is counted before it is started.
        return [each for each in files if each.exists()]

    def metrics(self, pod: Pod) -> str:
        if pod.address is None:
            raise OSError(f"pod {pod.name} has never had an address")
        host, _, port = pod.address.rpartition(":")
        connection = http.client.HTTPConnection(host, int(port), timeout=WITHIN_S)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read(LARGEST_ANSWER).decode(errors="replace")
        except http.client.HTTPException as exc:
            raise OSError(f"pod {pod.name} answers no HTTP: {exc!r}") from exc
        finally:
            connection.close()
