"""The way to a cluster's pods: the API server asks the kubelet for logs, and is a proxy to pods."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from lab.errors import RequestRefused
from lab.kube.client import Client
from lab.scenario.log_lines import Entry
from lab.service.names import BASE
from lab.stages.listening import Pod

PORT = 8080
LARGEST_LOG = 4 * 1024 * 1024
NO_SUCH_CONTAINER = 400
# Nanoseconds, which Python's clock has no room for.
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,6})?\d*(Z|[+-]\d\d:\d\d) ")


@dataclass(frozen=True, slots=True)
class ClusterWay:
    """Implements `lab.stages.listening.Way`. The API forgets a log with its pod."""

    client: Client

    @property
    def logs_stay(self) -> bool:
        return False

    def log(self, pod: Pod, since_s: float) -> Sequence[Entry]:
        """Return the lines of its container, and of the one before it if it was restarted.

        Of earlier ones the kubelet keeps nothing
        (https://kubernetes.io/docs/concepts/cluster-administration/logging/#log-rotation).
        """
        asked = ({"previous": "true"}, {}) if pod.restarts else ({},)
        return [
            entry
            for options in asked
            for entry in self._entries(pod, since_s, options)
            if entry[0] is None or entry[0] >= since_s
        ]

    def _entries(self, pod: Pod, since_s: float, options: dict[str, str]) -> Iterator[Entry]:
        # To the second, so what is asked for again is left out above.
        since = datetime.fromtimestamp(int(since_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        query = {"timestamps": "true", "sinceTime": since, "limitBytes": str(LARGEST_LOG)}
        try:
            text = self.client.text(f"{BASE}/pods/{pod.name}/log", {**query, **options})
        except RequestRefused as exc:
            if options and exc.status == NO_SUCH_CONTAINER:
                return
            raise
        yield from map(entry_of, text.splitlines())

    def metrics(self, pod: Pod) -> str:
        return self.client.text(f"{BASE}/pods/{pod.name}:{PORT}/proxy/metrics")


def entry_of(line: str) -> Entry:
    """Split a line from the time that the kubelet puts before it."""
    found = _STAMP.match(line)
    if found is None:
        return None, line
    zone = "+00:00" if found[3] == "Z" else found[3]
    at = datetime.fromisoformat(f"{found[1]}{found[2] or ''}{zone}")
    return at.timestamp(), line[found.end() :]
