"""Why might this run prove nothing?

A verdict is only as good as the measurement, so everything that could make the history
a wrong picture of the service is a reason, in a sentence, and one reason is enough.
What the client itself did badly counts within the verdict window only.
"""

from collections.abc import Iterator

from lab.scenario import attention, completeness, waiting
from lab.scenario.evidence import verdict_window
from lab.scenario.history import History
from lab.scenario.model import Scenario, Variant

PHASES = ("setup", "baseline", "run", "recover", "settle", "verify", "teardown")

Reasons = Iterator[str]


def reasons(history: History, scenario: Scenario, variant: Variant) -> tuple[str, ...]:
    """Return every reason why nothing may be concluded from the run; empty when it is sound."""
    causes = [*_broken_off(history), *_baseline(history, scenario)]
    unfinished = tuple(_unfinished(history))
    if causes and (unfinished or history.of("lost")):
        # What is missing is missing because the run broke off, and would hide the cause.
        return tuple(causes)
    found = [*causes, *unfinished, *completeness.reasons(history), *_faults(history, variant)]
    if not unfinished:
        found += attention.reasons(history, verdict_window(history))
        found += completeness.of_audit(history)
    return tuple(dict.fromkeys(found))


def _baseline(history: History, scenario: Scenario) -> Reasons:
    if history.first("phase", name="baseline"):
        for problem in scenario.baseline(history):
            yield f"baseline: {problem}"


def _broken_off(history: History) -> Reasons:
    """What the runner noticed itself."""
    for event in history.of("fault"):
        if event["what"] in ("unobserved", "failed"):
            yield f"{event['name']}: {event.get('detail') or event['what']}"
    for event in history.of("lost"):
        yield f"{event['what']} lost: {event.get('detail', '')}"
    for event in history.of("step"):
        if event["what"] == "timed_out" and event["name"] != "settle":
            pods = waiting.reasons(history)
            told = f" (pods wait: {', '.join(pods)})" if pods else ""
            yield f"step {event['name']!r} waited in vain until {event.get('detail', '')}{told}"


def _unfinished(history: History) -> Reasons:
    run = history.of("run")
    if len(run) != 1:
        yield f"the history tells the beginning of {len(run)} runs"
    began = [event["name"] for event in history.of("phase")]
    missing = [name for name in PHASES if name not in began]
    if missing:
        yield f"the run did not come to its end: no {', '.join(missing)}"
    elif began != list(PHASES):
        yield f"the phases came in another order: {', '.join(began)}"


def _faults(history: History, variant: Variant) -> Reasons:
    for step in variant.timeline:
        if not history.first("step", name=step.name, what="due"):
            yield f"step {step.name!r} did not happen"
        elif step.fault and not history.first("fault", name=step.fault.name, what="observed"):
            yield f"{step.fault.name}: its effect was not observed"
