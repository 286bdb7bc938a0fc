"""Which commands had an end, and did what they were told? Somebody waits for each of them."""

from collections.abc import Iterator
from dataclasses import dataclass

from lab.scenario import rollouts
from lab.scenario.history import History

DONE, GAVE_UP, FAILED = "done", "gave up", "failed"
"""How a drain ends by itself; FAILED: a request was refused for another reason than a budget."""


@dataclass(frozen=True, slots=True)
class Ended:
    """`code` as a shell has it: 0 is what was asked for. `t` in ns, `message` may be empty."""

    t: int
    what: str
    message: str
    code: int

    @property
    def sentence(self) -> str:
        return f"{self.what}: {self.message}" if self.message else self.what


def ended(history: History) -> Iterator[Ended]:
    """Yield them by kind: deploys, refusals, answers to an operator, drains."""
    yield from _deploys(history)
    for event in history.of("refused"):
        yield Ended(event["t"], f"{event['what']} refused", event["message"], 1)
    for event in history.of("answer"):
        said = event["told"].get("sentence", "")
        yield Ended(event["t"], f"{event['name']} exits {event['code']}", said, event["code"])
    yield from _drains(history)


def _deploys(history: History) -> Iterator[Ended]:
    for each in rollouts.rollouts(history):
        if each.code is not None and each.ended is not None:
            what = f"deploy of {each.release} exits {each.code}"
            yield Ended(each.ended, what, each.message, each.code)


def _drains(history: History) -> Iterator[Ended]:
    for event in history.of("drain"):
        if event["what"] in (DONE, GAVE_UP, FAILED):
            what = f"drain of {event['node']} {event['what']}"
            code = int(event["what"] != DONE)
            yield Ended(event["t"], what, event.get("message", ""), code)
