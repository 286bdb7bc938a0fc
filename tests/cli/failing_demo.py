"""python -m tests.cli.failing_demo begun|full|early: a demonstration whose lab fails, in all other
ways as `lab demo` is. `begun`: when the run is stored already; `full`: then, too, by a full disk;
`early`: before there is a run."""

import errno
import os
import sys
from typing import Any, NoReturn

from lab import cli
from lab.errors import LabError
from lab.stages import play


def main(when: str) -> None:
    def fail(self: play.Playing, _place: Any, loaded: Any, _variants: Any) -> NoReturn:
        if when != "early":
            self.begun(self.store.create(loaded.scenario.name, {"scenario": loaded.scenario.name}))
        if when == "full":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "history.jsonl")
        raise LabError("the database ended with 1", hint="lab doctor --stage twin")

    play.Playing.play = fail
    sys.argv = ["lab", "demo", "half-migrated-rename", "--stage", "twin", "--port", "0"]
    cli.main()


if __name__ == "__main__":
    main(sys.argv[1])
