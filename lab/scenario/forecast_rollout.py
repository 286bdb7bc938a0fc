"""How many requests fail while old pods and new ones serve beside each other?

A release fails by itself, for certain endpoints; the size of it is the share of requests that
meet it, which follows from the rollout. New connections and kept ones are counted apart.
"""

from collections.abc import Collection

from lab.scenario.forecast import Forecast, Foresee
from lab.scenario.forecast_line import Line, added, between, drawn, times
from lab.scenario.forecast_pods import Life, Rule, ended, rolled, rule_of, serving, share_of
from lab.scenario.forecast_told import SEEN_S, Told, foretold

OLD, NEW = "old", "new"
POSTS = ("create_chirp",)


def old_pods_fail(endpoints: Collection[str], *, pause_s: float) -> Foresee:
    """Requests to `endpoints` fail that meet an old pod, from a migration's commit on.

    The rollout begins `pause_s` after the migration, which is the first fault.
    """

    @foretold
    def foresee(told: Told) -> Forecast:
        rule, asked = rule_of(told), told.rate_to(endpoints)
        lives = rolled(rule, serving(rule, OLD), NEW, begin=_rolled_out_from(told, pause_s))
        end = ended(lives, OLD) + rule.end_s
        failing = between(_met(told, lives, OLD, rule), told.pace.commit_s, end)
        return Forecast(_source(asked, endpoints, rule, OLD), drawn(times(failing, asked)))

    return foresee


def new_pods_fail(endpoints: Collection[str], *, migrate_s: float, statement_s: float) -> Foresee:
    """Requests to `endpoints` fail that meet a new pod, until a migration has committed.

    The rollout is the first fault; the migration is asked for `migrate_s` later, and its
    statements take `statement_s`.
    """

    @foretold
    def foresee(told: Told) -> Forecast:
        rule, asked = rule_of(told), told.rate_to(endpoints)
        lives = rolled(rule, serving(rule, OLD), NEW, begin=0.0)
        commit = migrate_s + told.pace.commit_s + statement_s
        failing = between(_met(told, lives, NEW, rule), 0.0, commit)
        source = f"{_source(asked, endpoints, rule, NEW)}, for {commit:.0f} s"
        return Forecast(source, drawn(times(failing, asked)))

    return foresee


def new_pods_fail_until_undone(endpoints: Collection[str], *, look_s: float) -> Foresee:
    """Requests to `endpoints` fail that meet a new pod, until the last of them is gone again.

    The deploy command comes back when all new pods are available; `look_s` later it is undone,
    which replaces them in the same way. Before the rollout a secret was changed.
    """

    @foretold
    def foresee(told: Told) -> Forecast:
        rule, asked = rule_of(told), told.rate_to(endpoints)
        lives = rolled(rule, serving(rule, OLD), NEW, begin=SEEN_S)
        back = rolled(rule, lives, OLD, begin=ended(lives, OLD) + look_s)
        failing = between(_met(told, back, NEW, rule), 0.0, ended(back, NEW) + rule.end_s)
        source = f"{_source(asked, endpoints, rule, NEW)}, then undone"
        return Forecast(source, drawn(times(failing, asked)))

    return foresee


def undone_on_a_new_schema(
    endpoints: Collection[str], *, pause_s: float, hold_s: float, look_s: float, bug: float
) -> Foresee:
    """Requests to `endpoints` fail that meet an old pod, and an undo brings back more of those.

    A migration; `pause_s` later a rollout, which is paused with two new pods ready; `hold_s`
    later it is undone; `look_s` after the end of the last new pod the schema is changed back.
    New pods fail the share `bug` of posts by themselves.
    """

    @foretold
    def foresee(told: Told) -> Forecast:
        rule, asked = rule_of(told), told.rate_to(endpoints)
        lives = _paused_and_undone(rule, _rolled_out_from(told, pause_s), hold_s)
        back_s = ended(lives, NEW) + rule.end_s + SEEN_S + look_s + told.pace.commit_s
        failing = between(_met(told, lives, OLD, rule), told.pace.commit_s, back_s)
        by_itself = _failing_by_itself(told, lives, rule, bug)
        source = f"{_source(asked, endpoints, rule, OLD)}, then undone"
        return Forecast(source, drawn(added(times(failing, asked), by_itself)))

    return foresee


def undone(*, pause_s: float, hold_s: float, bug: float) -> Foresee:
    """The share `bug` of posts fails that meet a new pod, and the undo ends it."""

    @foretold
    def foresee(told: Told) -> Forecast:
        rule, posts = rule_of(told), told.rate_to(POSTS)
        lives = _paused_and_undone(rule, _rolled_out_from(told, pause_s), hold_s)
        source = f"{bug:.0%} of {posts:.0f} posts/s x share of new pods, until they are taken back"
        return Forecast(source, drawn(_failing_by_itself(told, lives, rule, bug)))

    return foresee


def _paused_and_undone(rule: Rule, begin: float, hold_s: float) -> tuple[Life, ...]:
    """Return the lives of pods of a rollout that is paused with two new ones, and taken back."""
    whole = rolled(rule, serving(rule, OLD), NEW, begin=begin)
    second = sorted(each.ready for each in whole if each.release == NEW)[:2][-1]
    paused = second + SEEN_S
    # Seen to be paused; then an undo that is refused, then it goes on, and then it is undone.
    resumed = paused + SEEN_S + hold_s + SEEN_S
    half = rolled(rule, serving(rule, OLD), NEW, begin=begin, until=paused)
    further = rolled(rule, half, NEW, begin=resumed, until=resumed + SEEN_S)
    return rolled(rule, further, OLD, begin=resumed + SEEN_S)


def _failing_by_itself(told: Told, lives: tuple[Life, ...], rule: Rule, bug: float) -> Line:
    met = between(_met(told, lives, NEW, rule), 0.0, ended(lives, NEW) + rule.end_s)
    return times(met, bug * told.rate_to(POSTS))


def _met(told: Told, lives: tuple[Life, ...], release: str, rule: Rule) -> Line:
    return share_of(release, lives, rule, kept=told.load("keepalive_share"))


def _rolled_out_from(told: Told, pause_s: float) -> float:
    """When a rollout is asked for that follows a migration after `pause_s`."""
    return told.pace.commit_s + SEEN_S + pause_s


def _source(asked: float, endpoints: Collection[str], rule: Rule, release: str) -> str:
    to = "1 endpoint" if len(endpoints) == 1 else f"{len(endpoints)} endpoints"
    return (
        f"{asked:.0f} requests/s to {to} x share of {release} pods,"
        f" {rule.surge or rule.unavailable} of {rule.replicas} replaced every {rule.each_s:g} s"
    )
