"""Turn the lines that a program prints into progress."""

import re
from dataclasses import dataclass

from lab.progress import Task


@dataclass(slots=True)
class Counter:
    """Each line that matches `pattern` is one more done of `total`, or more."""

    task: Task
    total: int
    pattern: re.Pattern[str]
    """Its first group says what was done."""
    done: int = 0

    def see(self, line: str) -> bool:
        """Return whether the line was progress, and so says nothing else."""
        match = self.pattern.match(line)
        if match is None:
            return False
        self.done += 1
        self.total = max(self.total, self.done)
        self.task.advance(self.done, self.total, match[1])
        return True
