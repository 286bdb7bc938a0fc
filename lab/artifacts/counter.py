"""Turn the lines that a program prints into progress."""

from dataclasses import dataclass

from lab.progress import Task


@dataclass(slots=True)
class Counter:
    """Each line that starts with one of `prefixes` is one more done of `total`, or more."""

    task: Task
    total: int
    prefixes: tuple[str, ...] = ("",)
    done: int = 0

    def see(self, line: str) -> None:
        for prefix in self.prefixes:
            if line.startswith(prefix):
                self.done += 1
                self.total = max(self.total, self.done)
                self.task.advance(self.done, self.total, line.removeprefix(prefix))
                return
