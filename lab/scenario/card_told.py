"""Did a line in the log, a metric, an exit code tell the operator who fails, and why?

Judged from what was recorded. The service logs each answer of 500 and above, and counts all of
them (lab/chirps/accounts.py), both with release, status and SQLSTATE; so what a pod answered is
what its log and its metric say, and of a request that no pod answered neither says anything.
Deploy commands are judged by what they would have ended with (`lab.scenario.rollouts`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from lab.scenario import rollouts
from lab.scenario.card import Told
from lab.scenario.evidence import Window
from lab.scenario.history import History
from lab.scenario.traffic import Request

NEARLY_ALL = 0.95
LOG, METRIC, EXIT_CODE = "log line", "metric", "exit code"
NOTHING_FAILED = "nothing failed, so there was nothing to tell"
COUNTED_FROM = 500


def told(history: History, window: Window, failed: Sequence[Request]) -> tuple[Told, ...]:
    """Return what each way of telling said of the requests `failed`."""
    return (_log(failed), _metric(failed), _exit_code(history, window, failed))


def _log(failed: Sequence[Request]) -> Told:
    if not failed:
        return Told(LOG, None, NOTHING_FAILED)
    logged = [each for each in failed if _has_status(each, COUNTED_FROM)]
    return _answered(LOG, failed, logged, "request status={status} sqlstate={sqlstate}")


def _metric(failed: Sequence[Request]) -> Told:
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


def _exit_code(history: History, window: Window, failed: Sequence[Request]) -> Told:
    ended = list(_commands(history, window))
    bad = [what for what, code in ended if code]
    if not ended:
        return Told(EXIT_CODE, False if failed else None, "no command was waited for")
    if bad:
        return Told(EXIT_CODE, True, "; ".join(bad))
    good = "; ".join(what for what, _ in ended)
    return Told(EXIT_CODE, False if failed else None, f"{good}, and {len(failed)} requests failed")


def _commands(history: History, window: Window) -> Iterator[tuple[str, int]]:
    """Yield what each command that had an end said, and its exit code."""
    for each in rollouts.rollouts(history):
        if each.code is not None and each.ended is not None and each.ended in window:
            yield f"deploy of {each.release} exits {each.code}: {each.message}", each.code
    for event in history.of("answer"):
        if event["t"] in window:
            said = event["told"].get("sentence", "")
            yield f"{event['name']} exits {event['code']}: {said}", event["code"]
    for name, code in _jobs(history, window).items():
        yield f"job {name} {'fails' if code else 'succeeds'}", code


def _jobs(history: History, window: Window) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in history.of("job"):
        if line["t"] in window and line["succeeded"]:
            found[line["name"]] = 0
        elif line["t"] in window and any(_has_failed(each) for each in line["conditions"]):
            found[line["name"]] = 1
    return found


def _has_failed(condition: dict[str, object]) -> bool:
    return condition.get("type") == "Failed" and condition.get("status") == "True"
