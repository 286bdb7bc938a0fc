"""Show cases as they come, on the terminal, in a JUnit file and to the service that runs CI."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.cli import _output
from lab.cli._cases import as_object, lines
from lab.errors import Interrupted, LabError

if TYPE_CHECKING:
    from lab.cli._series import Choice, Options
    from lab.paths import Paths
    from lab.scenario.tally import Case
    from lab.stages.place import Place
    from lab.stages.series import Planned
    from lab.store import Store

NOT_BEGUN = "it was not begun yet"


@dataclass(slots=True)
class Shown:
    """Cases as they come: a line each, and the JUnit file written anew with each of them.

    A context manager around the playing: however that ends, the file tells of every case. `held`
    are the lines of cases that are known before it is known where all is played, which is what
    stands first; None from then on.
    """

    choice: "Choice"
    planned: "Sequence[Planned]"
    options: "Options"
    paths: "Paths"
    cases: "list[Case]" = field(default_factory=list)
    about: Mapping[str, Any] = field(default_factory=dict)
    held: list[str] | None = field(default_factory=list)

    def arrive(self, about: Mapping[str, Any]) -> None:
        """Say before the first case where all of them are played."""
        self.about = about
        self._show_where()

    def tell(self, case: "Case") -> None:
        last = self.cases[-1] if self.cases else None
        self.cases.append(case)
        self._write(self._waiting(left_out=NOT_BEGUN))
        if not self.options.json and not _says_the_same(case, last):
            for line in lines(case, self._widths()):
                self._show(line)
        self._annotate(case)

    def leave_out_what_cannot_be_shown(self, variant: str) -> None:
        from lab.scenario.tally import Case
        from lab.stages.play import choose

        for loaded, why in self.choice.cannot:
            for each in choose(loaded.scenario, variant):
                place = self.choice.place.name
                self.tell(Case(loaded.scenario.name, each.name, place, left_out=why))

    def conclude(self, store: "Store") -> None:
        """Show what all of it came to."""
        from lab.report.annotations import annotate_flaky
        from lab.scenario import tally

        flaky = tally.flaky(self.cases)
        self._show_where()
        if self.options.json:
            _output.show_json([as_object(case, flaky, store) for case in self.cases])
        else:
            for each in flaky:
                _output.show(f"FLAKY  {each.scenario}  {each.variant}  {each.sentence}")
            _output.show(f"\n{tally.summary(self.cases)}")
        if is_on_github():
            for each in flaky:
                _output.note(annotate_flaky(each))

    def __enter__(self) -> "Shown":
        self._write(self._waiting(left_out=NOT_BEGUN))
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        from lab.scenario import interruption

        # A second signal would leave the file as it was before the first.
        with interruption.held():
            self._show_where()
            if isinstance(error, Interrupted):
                self._write(self._waiting(left_out="interrupted"))
            elif error is not None:
                told = error.message if isinstance(error, LabError) else repr(error)
                self._write(self._waiting(error=told))

    def _waiting(self, *, left_out: str = "", error: str = "") -> "list[Case]":
        """Return the cases that are still to come, with why they did not."""
        from lab.scenario.tally import Case

        place = self.choice.place.name
        told = {(case.scenario, case.variant, case.round) for case in self.cases}
        return [
            Case(run.name, variant.name, place, run.round, left_out=left_out, error=error)
            for run in self.planned
            for variant in run.variants
            if (run.name, variant.name, run.round) not in told
        ]

    def _show(self, line: str) -> None:
        if self.held is None:
            _output.show(line)
        else:
            self.held.append(line)

    def _show_where(self) -> None:
        """Show the first line, and what was held back for it; a second time nothing."""
        held, self.held = self.held, None
        if held is not None and not self.options.json:
            for line in (where(self.choice.place, self.about), *held):
                _output.show(line)

    def _write(self, waiting: "Sequence[Case]") -> None:
        if self.options.junit:
            from lab.files import write_atomic
            from lab.report.junit import render

            place = {"distribution": distribution(self.about), "clock": self.choice.place.clock}
            known = {name: value for name, value in place.items() if value}
            content = render([*self.cases, *waiting], known)
            write_atomic(self.options.junit, content, owner=self.paths.caller, mode=0o644)

    def _annotate(self, case: "Case") -> None:
        if is_on_github():
            from lab.report.annotations import annotate

            if told := annotate(case):
                _output.note(told)

    def _widths(self) -> tuple[int, int]:
        told = [(run.name, variant.name) for run in self.planned for variant in run.variants]
        told += [(case.scenario, case.variant) for case in self.cases]
        return max(len(name) for name, _ in told), max(len(name) for _, name in told)


def where(place: "Place", about: Mapping[str, Any]) -> str:
    """Return in a line on what, and at what pace, all is played."""
    lab = f"lab {about['lab']}" if about.get("lab") else ""
    parts = (place.name, distribution(about), lab, f"{place.clock} clock")
    return ", ".join(filter(None, parts))


def distribution(about: Mapping[str, Any]) -> str:
    """Return it with its version; nothing where no place was entered."""
    return f"{about.get('distribution', '')} {about.get('version', '')}".strip()


def is_on_github() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _says_the_same(case: "Case", last: "Case | None") -> bool:
    """Whether both variants of a run were left out for one reason, which is told once."""
    if last is None or not case.left_out:
        return False
    return (case.scenario, case.round, case.left_out) == (last.scenario, last.round, last.left_out)
