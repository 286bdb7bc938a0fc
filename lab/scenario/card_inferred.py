"""What must logs and counters have told, where nobody has recorded them?

The service logs each answer of 500 and above, and counts all of them (lab/chirps/accounts.py),
both with release, status and SQLSTATE; of a request that no pod answered neither says anything.
"""

from collections import Counter
from collections.abc import Sequence

from lab.scenario.card import LOG, METRIC, NEARLY_ALL, NOTHING_FAILED, Told
from lab.scenario.traffic import Request

COUNTED_FROM = 500


def log(failed: Sequence[Request]) -> Told:
    """Return what the log must have said of the requests `failed`."""
    if not failed:
        return Told(LOG, None, NOTHING_FAILED)
    logged = [each for each in failed if _has_status(each, COUNTED_FROM)]
    return _answered(LOG, failed, logged, "request status={status} sqlstate={sqlstate}")


def metric(failed: Sequence[Request]) -> Told:
    """Return what the counters must have said of the requests `failed`."""
    if not failed:
        return Told(METRIC, None, NOTHING_FAILED)
    counted = [each for each in failed if _has_status(each, 0)]
    shape = 'chirps_requests_total{{status="{status}", sqlstate="{sqlstate}"}}'
    return _answered(METRIC, failed, counted, shape)


def _has_status(request: Request, least: int) -> bool:
    return request.status is not None and request.status >= least


def _answered(way: str, failed: Sequence[Request], seen: Sequence[Request], shape: str) -> Told:
    """Tell whether what pods noted of nearly all failures names a release and a cause."""
    unseen = len(failed) - len(seen)
    if len(seen) < NEARLY_ALL * len(failed):
        return Told(way, False, f"nothing of {unseen} of {len(failed)} failures: no pod had them")
    (release, status, sqlstate), most = Counter(
        (each.release, each.status, each.sqlstate or "") for each in seen
    ).most_common(1)[0]
    line = f"{shape.format(status=status, sqlstate=sqlstate)} of {release}, {most} times"
    named = sum(1 for each in seen if each.sqlstate)
    if named < NEARLY_ALL * len(seen):
        return Told(way, False, f"{line}; no cause in {len(seen) - named} of {len(seen)} failures")
    return Told(way, True, line)
