"""What is done to measure a lab's life, in which order, and how often."""

from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks import idle
from benchmarks.figures import Figure, Report, Run
from benchmarks.lab_command import LabCommand
from benchmarks.machine import load_average, program
from benchmarks.timing import Timed, timed
from benchmarks.workplace import Workplace

HELP_RUNS = 11
SHORT_RUNS = 5
RATIO_AIM = 1.3
NOOP_AIM_S = 3.0
DOWN_AIM_S = 5.0
HELP_AIM_S = 0.15
STATUS_AIM_S = 0.6

Say = Callable[[str], None]


@dataclass(slots=True)
class Measures:
    """Runs what is measured and adds it to the report; `say` is told of each run."""

    place: Workplace
    report: Report
    say: Say
    values: dict[str, list[float]] = field(default_factory=dict)
    phases: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, *, runs: int, shell: bool, life: bool, resting: bool) -> None:
        """Bring the lab up `runs` times, by turns with the shell; the last one is used further."""
        lab = self.place.lab
        for number in range(1, runs + 1):
            # By turns which of the two is first, so that neither has the warmer host.
            if shell and number % 2 == 0:
                self._by_hand()
            self._up(lab)
            if number == runs:
                self._use(lab, life=life, resting=resting)
            self._note("lab down", lab.down)
            if shell and number % 2 == 1:
                self._by_hand()
        self.report.add("Up and down, artifacts cached", self._ups(shell=shell))
        self.report.add(
            "Phases of `lab up` (some run side by side)",
            [Figure(title, "s", tuple(values)) for title, values in self.phases.items()],
        )

    def help(self) -> None:
        for _ in range(HELP_RUNS):
            self._keep("lab --help", timed([program("lab"), "--help"], env={}).seconds)
        self.report.add("Without a lab", [self._figure("lab --help", aim=HELP_AIM_S)])

    def _use(self, lab: LabCommand, *, life: bool, resting: bool) -> None:
        if life:
            for _ in range(SHORT_RUNS):
                self._note("lab up, nothing to do", lambda: lab.up()[0])
                self._note("lab status", lambda: lab.call("status"))
        if resting:
            self.say(f"letting the cluster settle for {idle.SETTLE_S} s")
            record, paths = lab.record(), lab.paths
            figures = idle.measure(record.lab_id, paths.lab(record.name), paths.cache)
            self.report.add("Idle cluster of six nodes", figures)
        if life:
            self._note("lab stop", lambda: lab.call("stop"))
            self._note("lab start", lambda: lab.call("start"))
            self.report.add(
                "A lab that is up",
                [
                    self._figure("lab up, nothing to do", aim=NOOP_AIM_S),
                    self._figure("lab status", aim=STATUS_AIM_S),
                    self._figure("lab stop"),
                    self._figure("lab start"),
                ],
            )

    def _up(self, lab: LabCommand) -> None:
        def run() -> Timed:
            done, phases = lab.up()
            for title, seconds in phases.items():
                self.phases.setdefault(title, []).append(seconds)
            return done

        self._note("lab up", run)

    def _by_hand(self) -> None:
        self._note("shell up", self.place.hand.up)
        self._note("shell down", self.place.hand.down)

    def _ups(self, *, shell: bool) -> list[Figure]:
        lab = self._figure("lab up")
        down = self._figure("lab down", aim=DOWN_AIM_S)
        if not shell:
            return [lab, down]
        hand = self._figure("shell up", note="minimal-up.sh: Ready and DNS, no other checks")
        ratio = round(lab.median / hand.median, 2)
        return [
            lab,
            hand,
            Figure("lab up / shell up", "", (ratio,), aim=RATIO_AIM, note="of the medians"),
            down,
            self._figure("shell down"),
        ]

    def _note(self, what: str, run: Callable[[], Timed]) -> None:
        """Run and remember it with its place in the order."""
        load = load_average()
        seconds = run().seconds
        self._keep(what, seconds)
        self.report.runs.append(Run(what, seconds, load))
        self.say(f"{what}  {seconds:.1f} s (load {load:.1f})")

    def _keep(self, what: str, seconds: float) -> None:
        self.values.setdefault(what, []).append(seconds)

    def _figure(self, name: str, *, aim: float | None = None, note: str = "") -> Figure:
        return Figure(name, "s", tuple(self.values[name]), aim, note)
