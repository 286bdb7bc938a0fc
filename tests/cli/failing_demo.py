"""python -m tests.cli.failing_demo begun|early: a demonstration whose lab fails, in all other ways
as `lab demo` is. `begun`: when the run is stored already; `early`: before there is one."""

import sys
from typing import Any, NoReturn

from lab import cli
from lab.errors import LabError
from lab.stages import play


def main(when: str) -> None:
    def fail(self: play.Playing, _place: Any, loaded: Any, _variants: Any) -> NoReturn:
        if when == "begun":
            self.begun(self.store.create(loaded.scenario.name, {"scenario": loaded.scenario.name}))
        raise LabError("the database ended with 1", hint="lab doctor --stage twin")

    play.Playing.play = fail
    sys.argv = ["lab", "demo", "half-migrated-rename", "--stage", "twin", "--port", "0"]
    cli.main()


if __name__ == "__main__":
    main(sys.argv[1])
