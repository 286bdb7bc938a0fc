"""What did pods tell by themselves, and which failures does that explain?

Stages record it at the end of a run: messages of logs, counters that moved, and how much of
either is missing. Which failures a message explains follows from what the failure was:

    with a SQLSTATE     a message or counter of the same release that names the same SQLSTATE
    without one         a warning of that release that gives a reason in words, or names a
                        version of the schema
    answered by nobody  the same of any release
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.scenario import log_lines
from lab.scenario.evidence import Window
from lab.scenario.history import History
from lab.scenario.traffic import Request

LOGS, METRICS = "logs", "metrics"
_REASON = re.compile(r"\b(?:reason|detail|failure|error)=(?!null)\S")
# What can be typed as it stands there. By name, since "the lab is open" is no command.
_KUBECTL = "get|describe|logs|delete|rollout|scale|apply|patch|set|exec|drain|cordon|uncordon"
_COMMAND = re.compile(
    r"""(?<![\w/.-])((?:lab\ (?:chirps|psql|kubectl|scenario|status|reset|doctor)
    |kubectl\ (?:-\S+\ (?:\S+\ )?)?(?:%s)|chirps\ migrate|psql\ -|helm\ (?:rollback|upgrade))
    \b[^`'"()]*)""".replace("%s", _KUBECTL),
    re.VERBOSE,
)
_STATEMENT = re.compile(r"\b(?:ALTER|DROP|CREATE|SELECT)\s+[A-Z_]{3,}\b[^`'\"]*")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a log, added up over the pods of a release."""

    release: str | None
    level: str
    text: str
    count: int

    @property
    def is_loud(self) -> bool:
        return self.level in log_lines.LOUD

    @property
    def sqlstate(self) -> str | None:
        return log_lines.names_sqlstate(self.text)

    @property
    def gives_a_reason(self) -> bool:
        """Whether it says why in words, by a SQLSTATE, or by a version of the schema."""
        text = self.text
        words = _REASON.search(text) or log_lines.names_version(text)
        return self.is_loud and bool(words or self.sqlstate)


@dataclass(frozen=True, slots=True)
class Moved:
    """A counter or gauge that is not what it was, added up over the pods of a release."""

    release: str | None
    name: str
    labels: Mapping[str, str]
    before: float | None
    after: float

    @property
    def more(self) -> float:
        return self.after - (self.before or 0)

    @property
    def sqlstate(self) -> str | None:
        return self.labels.get("sqlstate") or None

    @property
    def shown(self) -> str:
        shown = ", ".join(f'{k}="{v}"' for k, v in self.labels.items() if v and k != "release")
        return f"{self.name}{{{shown}}}" if shown else self.name


Kind = tuple[str | None, str | None]
"""Release and SQLSTATE of a failure, each None where it is not known."""


def was(history: History, what: str) -> bool:
    """Tell whether the stage listened for `what`."""
    return history.last("heard", what=what) is not None


def sentence(history: History) -> str:
    """Say how logs and counters are known, and what of them is missing."""
    if not history.of("heard"):
        return "inferred from the answers: the stage did not listen to pods"
    missing = "; ".join(
        f"{each['what']}: {each['detail']}" for each in history.of("heard") if not each["whole"]
    )
    return "as pods told them" + (f", without {missing}" if missing else "")


def messages(history: History, window: Window) -> tuple[Message, ...]:
    """Return what was said in `window`, the most often said first."""
    found: Counter[tuple[str | None, str, str]] = Counter()
    for line in history.of("log"):
        if line["t"] < window.end and line["last"] >= window.begin:
            found[line["release"], line["level"], line["text"]] += line["count"]
    return tuple(Message(*key, count) for key, count in found.most_common())


def moved(history: History) -> tuple[Moved, ...]:
    """Return what moved between the baseline and the end, what moved most first."""
    found = (_moved(line) for line in history.of("metric"))
    return tuple(sorted(found, key=lambda each: -abs(each.more)))


def _moved(line: Mapping[str, Any]) -> Moved:
    labels = {str(name): str(value) for name, value in line["labels"].items()}
    return Moved(line["release"], line["name"], labels, line["before"], line["after"])


def kinds(failed: Sequence[Request]) -> tuple[tuple[Kind, int], ...]:
    """Return the kinds of failure with how many there were of each, the most frequent first."""
    return tuple(Counter((each.release, each.sqlstate or None) for each in failed).most_common())


def explained_by(said: Iterable[Message], kind: Kind) -> Message | None:
    """Return the message that explains failures of this kind, if there is one."""
    release, sqlstate = kind
    for each in said:
        if release not in (None, each.release):
            continue
        if sqlstate == each.sqlstate if sqlstate else each.gives_a_reason:
            return each
    return None


def counted_by(found: Iterable[Moved], kind: Kind) -> Moved | None:
    """Return the counter that names release and SQLSTATE of failures of this kind."""
    release, sqlstate = kind
    for each in found:
        if release == each.release and sqlstate and sqlstate == each.sqlstate:
            return each
    return None


def command_in(text: str) -> str | None:
    """Return what a text tells to type next: a command, or a statement for the database."""
    found = _COMMAND.search(text)
    if found:
        return found[1].strip()
    statement = _STATEMENT.search(text)
    return statement[0].strip() if statement else None
