"""How the service is set on the twin, and what is asked of it there.

The rules are those of the six nodes and the times shorter, so that both variants fit in a
minute. What a scenario predicts is computed from these, as it is from a cluster's.
"""

from types import MappingProxyType

PROFILE = MappingProxyType(
    {
        "replicas": 4,
        "max_surge": 1,
        "max_unavailable": 0,
        "min_ready_seconds": 1,
        "progress_deadline_seconds": 30,
        "termination_grace_period_seconds": 15,
        "pre_stop_seconds": 1,
        "graceful_seconds": 5,
        # A process is there much sooner than a container, so it is looked for more often.
        "startup_probe": {"period_seconds": 0.2, "timeout_seconds": 1, "failure_threshold": 300},
        "readiness_probe": {"period_seconds": 0.5, "timeout_seconds": 1, "failure_threshold": 3},
        "liveness_probe": {"period_seconds": 10, "timeout_seconds": 2, "failure_threshold": 3},
        "pool_size": 8,
        "pool_timeout_seconds": 2,
    }
)
"""Under the names of manifests/chirps/profiles."""

LOAD = MappingProxyType({"rate": 200, "sessions_per_s": 4})
"""A shorter time holds as many requests at a higher rate."""

AUDIT_PER_S = 1000
"""Nothing else is going on by then."""

BASELINE_S = 5
QUIET_S = 2
USERS = 2_000
CHIRPS = 20_000
