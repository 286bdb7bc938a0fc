"""Predictions about a node that falls silent, computed from the timers that were read back."""

from lab.scenario.events import NS
from lab.scenario.evidence import MissingEvidence
from lab.scenario.history import History
from lab.scenario.model import Check, Moment
from lab.scenario.nodes import given_up, lost
from lab.scenario.verdict import CheckResult

STOPPING_S = 10.0
"""How long an agent may take to stop once that was asked for; it reports until then."""
EVICTING_S = 15.0
"""How much later than allowed a pod may be marked: the taint comes with the next look at nodes."""
ROUNDED_S = 1.0
"""By so much it may seem to come too early: the API tells times in whole seconds."""


def lost_after_its_grace(node: str, *, silent_since: Moment) -> Check:
    """The node counts as lost when it was not heard of for the grace period.

    The period counts from the last report, which came up to one heartbeat before the node fell
    silent; whether it is over is looked at every node-monitor-period.
    """
    name = f"{node} counts as lost after its grace period"

    def judge(history: History) -> CheckResult:
        grace, beat, period = (
            _fact(history, f"node_{each}_s")
            for each in ("monitor_grace", "heartbeat", "monitor_period")
        )
        at_least, at_most = grace - beat, grace + period + STOPPING_S
        after_s = (lost(node).at(history) - silent_since.at(history)) / NS
        return CheckResult(
            name=name,
            ok=at_least <= after_s <= at_most,
            claim=f"{node} counts as lost {at_least:g} to {at_most:g} s after"
            f" {silent_since.sentence}",
            predicted=f"{at_least:g} to {at_most:g} s",
            measured=after_s,
            formula=f"node-monitor-grace-period {grace:g} s - heartbeat {beat:g} s, to"
            f" grace + node-monitor-period {period:g} s + {STOPPING_S:g} s to stop",
            tolerance="none beyond that",
            detail=f"grace: {history.facts.get('node_monitor_grace_from', 'unknown')}",
        )

    return Check(name, judge)


def given_up_after_its_toleration(node: str, release: str) -> Check:
    """Its pods are given up when they have tolerated the lost node for as long as they say."""
    name = f"pods on {node} are given up after their toleration"

    def judge(history: History) -> CheckResult:
        tolerated = _fact(history, "toleration_s")
        after_s = (given_up(node, release).at(history) - lost(node).at(history)) / NS
        return CheckResult(
            name=name,
            ok=tolerated - ROUNDED_S <= after_s <= tolerated + EVICTING_S,
            claim=f"the pods of {release} on {node} are given up {tolerated:g} s after it was lost",
            predicted=tolerated,
            measured=after_s,
            formula="tolerationSeconds of the pods, for the taint of a node that is unreachable",
            tolerance=f"-{ROUNDED_S:g} to +{EVICTING_S:g} s",
        )

    return Check(name, judge)


def _fact(history: History, name: str) -> float:
    try:
        return float(history.facts[name])
    except KeyError as exc:
        raise MissingEvidence(f"the stage does not tell {exc}") from exc
