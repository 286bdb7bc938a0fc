"""What is wrong with a scenario? Everything that can be found without playing it, at once."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator

from lab.scenario.load import Load
from lab.scenario.model import Role, Scenario, Step, Variant
from lab.scenario.needs import Need
from lab.scenario.stage import Fault
from lab.scenario.validity import PHASES

_METHODS = ("name", "lasting", "describe", "undo", "inject", "is_observed", "recover")
Mistakes = Iterator[str]


def find(scenario: Scenario) -> tuple[str, ...]:
    """Return every mistake, as a sentence that names the value; none when it can be played."""
    return (
        *_of_scenario(scenario),
        *_of_card(scenario),
        *_of_load(scenario.load),
        *_of_variants(scenario),
    )


def _of_scenario(scenario: Scenario) -> Mistakes:
    for field in ("name", "title", "question"):
        if not getattr(scenario, field):
            yield f"it has no {field}"
    if not _is_positive(scenario.baseline_s):
        yield f"baseline_s is {scenario.baseline_s!r}, not a number of seconds"
    for name in _twice(variant.name for variant in scenario.variants):
        yield f"two variants are named {name!r}"
    if scenario.careless.role is not Role.CARELESS:
        yield f"the careless variant has the role {scenario.careless.role.value!r}"
    if scenario.careful.role is not Role.CAREFUL:
        yield f"the careful variant has the role {scenario.careful.role.value!r}"
    for proof in scenario.proofs:
        if proof.predicted is None:
            yield f"proof {proof.name!r} does not say what it is predicted to come to"
    for need in scenario.needs:
        if need not in set(Need):
            yield f"it needs {need!r}, which is none of {', '.join(Need)}"
    yield from _of_needs(scenario)
    if not scenario.proofs:
        yield "it has no proof: nothing shows that its checks can fail"


def _of_needs(scenario: Scenario) -> Mistakes:
    """A fault that a stage may lack says so in `needs`, and the scenario must say it as well."""
    faults = [step.fault for variant in scenario.variants for step in variant.timeline]
    lacking = {
        need: fault.name
        for fault in faults
        if fault is not None
        for need in getattr(fault, "needs", ())
        if need not in scenario.needs
    }
    for need, name in lacking.items():
        yield f"it injects {name!r} and does not say that it needs {need.value!r}"


def _of_card(scenario: Scenario) -> Mistakes:
    """What cannot be taken back must be a change of the variant, by the name of its step.

    A name that is no step would leave the way back open on the card, and a step that changes
    nothing has nothing to take back.
    """
    card = scenario.card
    if card is None:
        return
    for field in ("rehearsal", "together", "owed", "decides"):
        if not getattr(card, field):
            yield f"its card does not say {field!r}"
    yield from _of_way_back(card.no_way_back, scenario.careful)
    yield from _of_way_back(card.careless_no_way_back, scenario.careless)
    for name in _twice((*card.no_way_back, *card.careless_no_way_back)):
        yield f"its card names {name!r} twice"


def _of_way_back(names: Iterable[str], variant: Variant) -> Mistakes:
    steps = {step.name: step.fault for step in variant.timeline}
    for name in names:
        lead = f"its card has no way back from {name!r}"
        if name not in steps:
            yield f"{lead}, no step of {variant.name} (it has {', '.join(steps)})"
        elif steps[name] is None:
            yield f"{lead}, a step of {variant.name} that changes nothing"


def _of_load(load: Load) -> Mistakes:
    for field in ("rate", "connect_timeout_s", "total_timeout_s", "in_flight_cap"):
        if not _is_positive(getattr(load, field)):
            yield f"load: {field} is {getattr(load, field)!r}, it must be more than 0"
    if not 0 <= load.keepalive_share <= 1:
        yield f"load: keepalive_share is {load.keepalive_share!r}, it must be from 0 to 1"
    if load.keepalive_share and load.keepalive_connections < 1:
        yield f"load: keepalive_connections is {load.keepalive_connections!r}, it must be 1 or more"
    if load.sessions_per_s < 0:
        yield f"load: sessions_per_s is {load.sessions_per_s!r}, it must be 0 or more"
    if load.arrival not in ("uniform", "poisson"):
        yield f"load: arrival is {load.arrival!r}, it must be uniform or poisson"
    if any(weight < 0 for weight in load.mix.values()) or not sum(load.mix.values()) > 0:
        yield f"load: the weights of the mix are {dict(load.mix)!r}"


def _of_variants(scenario: Scenario) -> Mistakes:
    for variant in scenario.variants:
        for mistake in (*_of_timeline(variant), *_of_checks(variant)):
            yield f"{variant.name}: {mistake}"


def _of_timeline(variant: Variant) -> Mistakes:
    if not variant.timeline:
        yield "its timeline is empty"
    known = {"setup", "baseline"}
    for step in variant.timeline:
        yield from _of_step(step, known)
        known.add(step.name)
    for name in _twice(step.name for step in variant.timeline):
        yield f"two steps are named {name!r}"
    faults = [step.fault for step in variant.timeline if step.fault is not None]
    for name in _twice(fault.name for fault in faults if not _missing(fault)):
        # The history knows a fault by its name, so it could not tell the two apart.
        yield f"two steps inject {name!r}"


def _of_step(step: Step, known: set[str]) -> Mistakes:
    if not step.name or step.name in PHASES or step.name == "settle":
        yield f"no step can be named {step.name!r}"
    if not _is_positive(step.when.within_s):
        yield f"step {step.name!r} waits without a bound ({step.when.within_s!r} s)"
    for name in step.when.needs:
        if name not in known:
            yield f"step {step.name!r} waits for {name!r}, which is no earlier step"
    if step.fault is None:
        return
    if not _is_positive(step.observed_within_s):
        yield f"step {step.name!r} has no time to be observed ({step.observed_within_s!r} s)"
    missing = _missing(step.fault)
    if missing:
        yield f"step {step.name!r} injects {step.fault!r}, which lacks {', '.join(missing)}"


def _missing(fault: Fault) -> list[str]:
    return [name for name in _METHODS if not hasattr(fault, name)]


def _of_checks(variant: Variant) -> Mistakes:
    if not variant.checks:
        yield "it checks nothing"
    for name in _twice(check.name for check in (*variant.checks, *variant.because)):
        yield f"two checks are named {name!r}"
    for name in _twice(invariant.name for invariant in variant.invariants):
        yield f"two invariants are named {name!r}"


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _is_positive(value: float) -> bool:
    return 0 < value < math.inf
