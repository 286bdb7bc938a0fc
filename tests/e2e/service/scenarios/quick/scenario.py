"""What a run is made of, in seconds: for tests that break runs, not for anybody to learn from."""

from lab.faults import Migrate
from lab.scenario.baseline import clean_traffic
from lab.scenario.checks import mostly, no_failures
from lab.scenario.model import CHIRP_ENDPOINTS, Load, Role, Scenario, Step, Variant
from lab.scenario.signature import Signature
from lab.scenario.timeline import after, quiet, seconds_after
from lab.scenario.verdict import Outcome


def migrate(track: str, release: str) -> tuple[Step, ...]:
    return (
        Step("migrate", after("baseline"), Migrate(track, to=6, release=release)),
        Step("a moment", seconds_after("migrate", 4)),
    )


old_code_misses_its_column = mostly(Signature("v1", "42703", CHIRP_ENDPOINTS), at_least=0.95)

nobody_notices = no_failures(rate_below=0.05)

scenario = Scenario(
    name="quick",
    title="Quick",
    question="Does a run begin, go on and end as it should?",
    careless=Variant(
        "careless",
        Role.CARELESS,
        migrate("rename-careless", "v2-naive"),
        (old_code_misses_its_column,),
    ),
    careful=Variant(
        "careful",
        Role.CAREFUL,
        migrate("rename-control", "v1b"),
        (nobody_notices,),
    ),
    proofs=(
        Variant(
            "control",
            Role.CARELESS,
            migrate("rename-control", "v1b"),
            (old_code_misses_its_column,),
            predicted=Outcome.NOT_REPRODUCED,
            because=(nobody_notices,),
        ),
        Variant(
            "careful-with-rename",
            Role.CAREFUL,
            migrate("rename-careless", "v2-naive"),
            (nobody_notices,),
            predicted=Outcome.NOT_PREVENTED,
            because=(old_code_misses_its_column,),
        ),
    ),
    load=Load(rate=40),
    baseline=clean_traffic,
    baseline_s=6,
    settle=quiet(2, within_s=3),
)
