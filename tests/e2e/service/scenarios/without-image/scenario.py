"""A rollout that can end only where the nodes have its image."""

from lab.faults import SetImage
from lab.scenario.baseline import clean_traffic
from lab.scenario.checks import no_failures
from lab.scenario.model import Load, Role, Scenario, Step, Variant
from lab.scenario.timeline import after, quiet, rolled_out
from lab.scenario.verdict import Outcome

rollout = (
    Step("roll out", after("baseline"), SetImage("v1b")),
    Step("rolled out", rolled_out("v1b", within_s=10)),
)
checks = (no_failures(rate_below=0.05),)

scenario = Scenario(
    name="without-image",
    title="Without image",
    question="Is a rollout that cannot end told as one?",
    careless=Variant("careless", Role.CARELESS, rollout, checks),
    careful=Variant("careful", Role.CAREFUL, rollout, checks),
    proofs=(Variant("proof", Role.CAREFUL, rollout, checks, predicted=Outcome.NOT_PREVENTED),),
    load=Load(rate=40),
    baseline=clean_traffic,
    baseline_s=4,
    settle=quiet(2, within_s=3),
)
