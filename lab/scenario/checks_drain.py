"""Predictions about a node that is emptied against a disruption budget.

An eviction is granted when as many healthy pods stay as the budget wants, and answered with
429 otherwise: https://kubernetes.io/docs/concepts/scheduling-eviction/api-eviction/

A pod that runs and is not ready takes nothing away. With the policy AlwaysAllow it may go; with
IfHealthyBudget, the default, only while as many others are healthy as the budget wants:
https://kubernetes.io/docs/tasks/run-application/configure-pdb/#unhealthy-pod-eviction-policy
"""

from lab.scenario import reach
from lab.scenario.commands import DONE
from lab.scenario.drains import AGAIN_AFTER_S, REFUSED, begun, end_of, ended, evictions
from lab.scenario.events import NS
from lab.scenario.evidence import MissingEvidence, Window, verdict_window
from lab.scenario.history import History
from lab.scenario.model import Check
from lab.scenario.nodes import is_unwell, last_on
from lab.scenario.verdict import CheckResult

IF_HEALTHY, ALWAYS = "IfHealthyBudget", "AlwaysAllow"
FEWEST = 5
"""Who was refused less often may have been unlucky."""


def refused_as_the_budget_says(node: str, *, within: float = 0.25) -> Check:
    """The budget has nothing to give, so each eviction is refused, as often as kubectl asks."""
    name = f"evictions on {node} are refused"

    def judge(history: History) -> CheckResult:
        answers = evictions(history, node)
        refused = [answer for answer in answers if answer["status"] == REFUSED]
        (may_go, rule), (asked, formula) = _may_go(history, node), _asked(history, node)
        allowed = max(1.0, within * asked)
        return CheckResult(
            name=name,
            ok=may_go == 0
            and FEWEST <= len(refused) == len(answers)
            and abs(len(refused) - asked) <= allowed,
            claim=f"every eviction on {node} is answered with {REFUSED}, and asked for again",
            predicted=asked,
            measured=len(refused),
            formula=f"{formula}; {rule}",
            tolerance=f"+- {allowed:.0f} for slow answers, {FEWEST} or more, and no other answer",
            detail=f"{len(answers)} answers" + (f": {refused[0]['message']}" if refused else ""),
        )

    return Check(name, judge)


def never_done(node: str) -> Check:
    """The drain was not done when its time was up."""
    name = f"{node} is not emptied"

    def judge(history: History) -> CheckResult:
        end = _end(history, node)
        return CheckResult(
            name=name,
            ok=end != DONE,
            claim=f"the drain of {node} gives up with pods left on it",
            predicted="gave up",
            measured=end,
            formula="how the drain ended",
            tolerance="none",
        )

    return Check(name, judge)


def done_in_time(node: str) -> Check:
    """The node is empty as soon as each of its pods was asked for once, or twice, and has ended."""
    name = f"{node} is emptied"

    def judge(history: History) -> CheckResult:
        end = _end(history, node)
        took_s = (ended(node).at(history) - begun(node).at(history)) / NS
        pods, grace_s = _pods(history, node), _fact(history, "grace_s")
        within_s = pods * (grace_s + AGAIN_AFTER_S)
        return CheckResult(
            name=name,
            ok=end == DONE and took_s <= within_s,
            claim=f"{node} is empty within {within_s:g} s",
            predicted=f"at most {within_s:g} s",
            measured=took_s,
            formula=f"{pods} pods x ({grace_s} s that each may take to end + {AGAIN_AFTER_S:g} s"
            " until it is asked for again)",
            tolerance="none",
            detail=end,
        )

    return Check(name, judge)


def ready_as_the_budget_says(node: str) -> Check:
    """While the node is emptied, never fewer pods are ready than the budget wants."""
    name = "as many pods stay ready as the budget wants"

    def judge(history: History) -> CheckResult:
        desired = _fact(history, "desired_healthy")
        window = Window(begun(node).at(history), verdict_window(history).end)
        changes = reach.reaches(history)
        since = (reach.at(changes, window.begin), *(each for each in changes if each.t in window))
        least = min(len(each.ready) for each in since)
        return CheckResult(
            name=name,
            ok=least >= desired,
            claim=f"at least {desired} endpoints are ready all the time",
            predicted=desired,
            measured=least,
            formula="what the budget wants; the lowest number of ready endpoints since the"
            " drain began",
            tolerance=f">= {desired}",
        )

    return Check(name, judge)


def _may_go(history: History, node: str) -> tuple[int, str]:
    """Return how many of the node's pods may be evicted when the drain begins, and why."""
    at = begun(node).at(history)
    healthy = len(reach.at(reach.reaches(history), at).ready)
    desired = _fact(history, "desired_healthy")
    if not is_unwell(history, node, at):
        spare = max(0, healthy - desired)
        return (
            spare,
            f"{healthy} healthy pods - {desired} that the budget wants = {spare} that may go",
        )
    policy = history.facts.get("unhealthy_pods", IF_HEALTHY)
    if policy == ALWAYS:
        return 1, f"the pod on {node} is not ready, and {policy} lets it go"
    rule = f"{policy} lets it go while {desired} others are healthy, and {healthy} are"
    return int(healthy >= desired), f"the pod on {node} is not ready; {rule}"


def _asked(history: History, node: str) -> tuple[int, str]:
    """Return how often a drain asks that is refused each time, and why."""
    pods = _pods(history, node)
    seconds = (ended(node).at(history) - begun(node).at(history)) / NS
    asked = round(pods * seconds / AGAIN_AFTER_S)
    return asked, f"{pods} pods x {seconds:.0f} s of draining / {AGAIN_AFTER_S:g} s"


def _pods(history: History, node: str) -> int:
    """Return how many pods of the service the drain finds there."""
    there = last_on(history, node, begun(node).at(history))
    return sum(1 for pod in there if not pod.get("terminating"))


def _end(history: History, node: str) -> str:
    end = end_of(history, node)
    if end is None:
        raise MissingEvidence(f"the drain of {node} had not ended")
    return str(end["what"])


def _fact(history: History, name: str) -> int:
    try:
        return int(history.facts[name])
    except KeyError as exc:
        raise MissingEvidence(f"the stage does not tell {exc}") from exc
