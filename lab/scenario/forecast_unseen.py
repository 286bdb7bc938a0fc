"""What goes wrong although no request fails?

The line of failed requests is flat, and that is the forecast: whoever looks at requests alone sees
nothing. The source says what is not seen, and the line goes on until then.
"""

from lab.scenario.forecast import Forecast, Foresee
from lab.scenario.forecast_pods import ended, rolled, rule_of, serving
from lab.scenario.forecast_told import SEEN_S, Told, foretold


def ghosts_write() -> Foresee:
    """Nobody who asks notices: rows that pods of a lost node go on writing are lost.

    The node is the first fault. It counts as lost after node-monitor-grace-period, its pods are
    given up when they have tolerated that, others start in their place, and a rollout replaces
    those; when the old ones had their grace period the column is dropped that ghosts write.
    https://kubernetes.io/docs/concepts/architecture/nodes/#node-controller and
    https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions
    """

    @foretold
    def foresee(told: Told) -> Forecast:
        rule = rule_of(told)
        given_up = told.number("node_monitor_grace_s") + told.number("toleration_s")
        begin = given_up + rule.start_s + SEEN_S
        lives = rolled(rule, serving(rule, "old"), "new", begin=begin)
        dropped = ended(lives, "old") + told.number("grace_s") + SEEN_S
        gone = f"when their column goes, at {dropped:.0f} s"
        return _flat(f"pods given up after {given_up:g} s write on {gone}", dropped)

    return foresee


def the_budget_refuses(*, patience_s: float) -> Foresee:
    """Nobody who asks notices: the pods stay, because each eviction is refused.

    https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-budgets
    """

    @foretold
    def foresee(told: Told) -> Forecast:
        pods, kept = told.count("replicas"), told.count("desired_healthy")
        spare = max(0, pods - kept)
        source = f"{pods} healthy pods - {kept} that the budget wants = {spare} that may go"
        return _flat(source, patience_s if not spare else 0.0)

    return foresee


def the_data_is_changed_twice() -> Foresee:
    """Nobody who asks notices: pods that start together apply the same version, and serve well."""

    @foretold
    def foresee(told: Told) -> Forecast:
        rule = rule_of(told)
        lives = rolled(rule, serving(rule, "old"), "new", begin=SEEN_S)
        at_once = rule.surge + rule.unavailable
        what = f"{at_once} pods migrate at a time, and it is the data that is wrong"
        return _flat(what, ended(lives, "old"))

    return foresee


def _flat(what: str, until: float) -> Forecast:
    """Return a line that has its room until then, and is 0."""
    ends = ((round(until, 2), 0.0),) if until > 0 else ()
    return Forecast(f"no request should fail: {what}", ((0.0, 0.0), *ends))
