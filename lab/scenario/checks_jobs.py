"""Predictions about a migration's Job: how it ended, and where that left the schema.

A Job that has failed says so by its condition Failed
(https://kubernetes.io/docs/concepts/workloads/controllers/job/#terminal-job-conditions).
"""

from lab.scenario.events import Event
from lab.scenario.evidence import MissingEvidence, verdict_window
from lab.scenario.history import History
from lab.scenario.model import Check
from lab.scenario.verdict import CheckResult

SUCCEEDED, FAILED = "succeeded", "failed"


def job_succeeds(job: str) -> Check:
    return _ends(job, SUCCEEDED)


def job_fails(job: str) -> Check:
    return _ends(job, FAILED)


def _ends(job: str, predicted: str) -> Check:
    name = f"job {job} has {predicted}"

    def judge(history: History) -> CheckResult:
        ended = _end(history, job)
        return CheckResult(
            name=name,
            ok=ended == predicted,
            claim=name,
            predicted=predicted,
            measured=ended,
            formula="status of the Job: count of succeeded pods, condition Failed",
            tolerance="none",
        )

    return Check(name, judge)


def _end(history: History, job: str) -> str:
    """Return how the Job ended. Raises MissingEvidence while it has not."""
    window = verdict_window(history)
    told = [line for line in history.of("job") if line["name"] == job and line["t"] in window]
    if any(line["succeeded"] for line in told):
        return SUCCEEDED
    if any(_has_failed(line) for line in told):
        return FAILED
    raise MissingEvidence(f"no end of job {job} was seen")


def _has_failed(job: Event) -> bool:
    return any(
        each.get("type") == "Failed" and each.get("status") == "True" for each in job["conditions"]
    )


def schema_stays_at(version: int) -> Check:
    """All the time, and at the end, the newest version in the database is this one."""
    name = f"the schema stays at version {version}"

    def judge(history: History) -> CheckResult:
        window = verdict_window(history)
        samples = (s for s in history.of("db") if s["t"] in window and s.get("schema") is not None)
        found = [sample["schema"] for sample in samples]
        others = [other for other in found if other != version]
        return CheckResult(
            name=name,
            ok=not others if found else None,
            claim=name,
            predicted=version,
            measured=others[0] if others else version if found else None,
            formula="newest version, in each sample of the database",
            tolerance="none",
            detail=f"{len(found)} samples",
        )

    return Check(name, judge)
