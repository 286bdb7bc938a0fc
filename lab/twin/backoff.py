"""How long does a container that ended wait until it is started again?"""

from dataclasses import dataclass

FIRST_S = 10.0
LONGEST_S = 300.0


@dataclass(slots=True)
class BackOff:
    """At once the first time, then 10, 20, 40 ... 300 s after it ended.

    Forgotten when it had run for twice the longest wait
    (https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy,
    k8s.io/client-go util/flowcontrol/backoff.go).
    """

    first_s: float = FIRST_S
    longest_s: float = LONGEST_S
    _wait_s: float = 0.0
    _last: float | None = None

    def wait_s(self, ended: float) -> float:
        """Return how long after `ended` it is started again, and count that as a start."""
        if self._last is not None and ended - self._last > 2 * self.longest_s:
            self._wait_s = 0.0
        wait_s = self._wait_s
        self._last = ended + wait_s
        self._wait_s = min(2 * wait_s or self.first_s, self.longest_s)
        return wait_s
