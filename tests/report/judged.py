"""The made-up histories, judged by the engine: a run's directory as it is stored."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.scenario import baseline, checks, history, moments
from lab.scenario.judge import judge
from lab.scenario.load import CHIRP_ENDPOINTS, Load
from lab.scenario.model import Condition, Role, Scenario, Step, Variant
from lab.scenario.signature import Signature
from lab.scenario.verdict import Verdict
from tests.report import synthetic

RUN = {
    "scenario": "half-migrated-rename",
    "title": "A rename, half-way through a rolling update",
    "question": "What if part of a rolling update already did the migration?",
    "page": "03:12. `chirps`: 5xx 60 % and falling, a deploy is in progress.",
    "lesson": "A rename is two deployments and a clean-up,\nfolded into one line.\n\n"
    "Every schema change leaves the previous release working.",
    "safe": ["Let the rollout go on."],
    "unsafe": ["`kubectl rollout undo`: it brings back the code that fails."],
    "evidence": ["[litellm 6124](https://github.com/BerriAI/litellm/issues/6124): seen before"],
    "stage": "sandbox",
    "distribution": "kubeadm",
    "version": "v1.36.1",
    "clock": "honest",
    "lab": "lab",
}
NAME = "20261125T013000Z"


@dataclass(frozen=True, slots=True)
class _Done:
    """A fault that was injected long ago: judging asks for its name alone."""

    name: str
    lasting: bool = True

    def describe(self) -> str:
        return self.name

    def undo(self) -> Mapping[str, Any]:
        raise AssertionError("judging undoes nothing")

    def inject(self, stage: Any) -> None:
        raise AssertionError("judging injects nothing")

    def recover(self, stage: Any) -> None:
        raise AssertionError("judging recovers nothing")

    def is_observed(self, history: history.History) -> bool:
        raise AssertionError("judging observes nothing")


_AT_ONCE = Condition("at once", lambda history, now: True, within_s=1)
_TIMELINE = (
    Step("migrate", _AT_ONCE, _Done("migrate")),
    Step("roll out", _AT_ONCE, _Done("set-image")),
    Step("complete", _AT_ONCE),
)
_SIGNATURE = Signature("v1", "42703", CHIRP_ENDPOINTS)
_CARELESS = Variant(
    "careless",
    Role.CARELESS,
    _TIMELINE,
    checks=(
        checks.mostly(_SIGNATURE),
        checks.fails_soon_after(moments.committed(6), within_s=1),
        checks.as_many_as_predicted(_SIGNATURE, since=moments.committed(6), stream="fresh"),
        checks.as_many_as_predicted(_SIGNATURE, since=moments.committed(6), stream="keepalive"),
    ),
    cause_gone=moments.last_ready_endpoint_gone("v1"),
)
_CAREFUL = Variant(
    "careful",
    Role.CAREFUL,
    _TIMELINE,
    checks=(checks.no_failures(rate_below=0.01), checks.no_write_is_lost()),
)
SCENARIO = Scenario(
    name="half-migrated-rename",
    title="A rename, half-way through a rolling update",
    question="What if part of a rolling update already did the migration?",
    careless=_CARELESS,
    careful=_CAREFUL,
    proofs=(),
    load=Load(),
    baseline=baseline.clean_traffic,
)


def verdict(plan: synthetic.Plan, events: Sequence[synthetic.Event]) -> Verdict:
    variant = next(each for each in SCENARIO.variants if each.name == plan.variant)
    return judge(SCENARIO, variant, history.History(events))


def write_run(
    state: Path, *plans: synthetic.Plan, run: Mapping[str, Any] = RUN, name: str = NAME
) -> Path:
    """Write the directory of a run of these variants, each judged, and return it."""
    directory = state / name
    for plan in plans or (synthetic.CARELESS, synthetic.CAREFUL):
        made = synthetic.history(plan)
        synthetic.write_history(directory / plan.variant, made)
        told = json.dumps(verdict(plan, made.events).to_json())
        (directory / plan.variant / "verdict.json").write_text(told)
    return begin_run(state, run=run, name=name)


def begin_run(state: Path, *, run: Mapping[str, Any] = RUN, name: str = NAME) -> Path:
    """Write what there is of a run before its first variant, and return its directory."""
    directory = state / name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "run.json").write_text(json.dumps(run))
    return directory
