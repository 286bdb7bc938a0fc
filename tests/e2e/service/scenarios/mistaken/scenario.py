"""A scenario with several mistakes, which are to be told all at once."""

from lab.faults import SetImage
from lab.scenario.baseline import clean_traffic
from lab.scenario.checks import no_failures
from lab.scenario.model import Load, Role, Scenario, Step, Variant
from lab.scenario.timeline import after, rolled_out

rollout = (
    Step("roll out", after("migrate"), SetImage("v1b")),
    Step("roll out", rolled_out("v1b", within_s=-1)),
)
checks = (no_failures(rate_below=0.05),)

scenario = Scenario(
    name="mistaken",
    title="",
    question="Are all mistakes told at once?",
    careless=Variant("careless", Role.CAREFUL, rollout, checks),
    careful=Variant("careful", Role.CAREFUL, rollout, ()),
    proofs=(),
    load=Load(rate=0),
    baseline=clean_traffic,
)
