"""Did a line in the log, a metric, an exit code tell the operator who fails, why, and what to do?

Judged from what was recorded: the pods' own logs and counters (`lab.scenario.heard`), and what
commands ended with, that of a deploy by `lab.scenario.rollouts`. A next command is one that
somebody on call could type as it stands there, in a log or in what a command said.

Of a run in which the stage heard no pods, log and metric are inferred from the answers
(`lab.scenario.card_inferred`).
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from lab.scenario import card_inferred, heard, rollouts
from lab.scenario.card import EXIT_CODE, LOG, METRIC, NEARLY_ALL, NEXT, NOTHING_FAILED, Told
from lab.scenario.evidence import Window
from lab.scenario.heard import LOGS, METRICS, Kind, Message, Moved
from lab.scenario.history import History
from lab.scenario.traffic import Request


def told(history: History, window: Window, failed: Sequence[Request]) -> tuple[Told, ...]:
    """Return what each way of telling said of the requests `failed`."""
    said = heard.messages(history, window)
    log = _log(said, failed) if heard.was(history, LOGS) else card_inferred.log(failed)
    found = heard.moved(history)
    metric = _metric(found, failed) if heard.was(history, METRICS) else card_inferred.metric(failed)
    ended = list(_commands(history, window))
    step = _next_step(history, window, said, failed)
    return (log, step, metric, _exit_code(ended, failed))


def _log(said: Sequence[Message], failed: Sequence[Request]) -> Told:
    if not failed:
        return Told(LOG, None, NOTHING_FAILED)
    left, kinds = heard.unexplained(failed, lambda kind: bool(heard.explained_by(said, kind)))
    if left > (1 - NEARLY_ALL) * len(failed):
        loudest = next((each for each in said if each.is_loud), None)
        others = f"; it says {_show(loudest)}" if loudest else "; it says nothing at all"
        return Told(
            LOG, False, f"no cause of {left} of {len(failed)} failures, {_of(kinds)}{others}"
        )
    best = heard.explained_by(said, _most_frequent(failed))
    return Told(LOG, True, _show(best) if best else "")


def _show(message: Message) -> str:
    return f"{message.text} ({message.release or 'no release'}, {message.count} times)"


def _of(kinds: Sequence[Kind]) -> str:
    """Name the most frequent kind of failure."""
    release, sqlstate = kinds[0]
    if release is None:
        return "answered by nobody"
    return f"{release} {sqlstate or 'without SQLSTATE'}"


def _most_frequent(failed: Sequence[Request]) -> Kind:
    kinds = Counter((each.release, each.sqlstate or None) for each in failed)
    return kinds.most_common(1)[0][0]


def _metric(found: Sequence[Moved], failed: Sequence[Request]) -> Told:
    if not failed:
        return Told(METRIC, None, NOTHING_FAILED)
    left, kinds = heard.unexplained(failed, lambda kind: bool(heard.counted_by(found, kind)))
    if left > (1 - NEARLY_ALL) * len(failed):
        return Told(
            METRIC, False, f"none names the cause of {left} of {len(failed)} failures, {_of(kinds)}"
        )
    best = heard.counted_by(found, _most_frequent(failed))
    return Told(METRIC, True, f"{best.shown} of {best.release}, +{best.more:g}" if best else "")


def _next_step(
    history: History, window: Window, said: Sequence[Message], failed: Sequence[Request]
) -> Told:
    """Look for something to type in what a pod logged, or a command answered."""
    for where, text in (*_answered(history, window), *_logged(said)):
        if command := heard.command_in(text):
            return Told(NEXT, True, f"{command} ({where})")
    if not failed:
        return Told(NEXT, None, NOTHING_FAILED)
    looked = "no log and no command" if heard.was(history, LOGS) else "no command"
    return Told(NEXT, False, f"{looked} says what to type")


def _answered(history: History, window: Window) -> Iterator[tuple[str, str]]:
    for event in history.of("answer"):
        if event["t"] in window:
            yield from ((f"said by {event['name']}", str(step)) for step in _steps(event["told"]))
    for event in history.of("refused"):
        if event["t"] in window:
            yield f"said by {event['what']}", event["message"]


def _steps(answer: object) -> Sequence[object]:
    steps = answer.get("next") if isinstance(answer, dict) else None
    return steps if isinstance(steps, list | tuple) else ()


def _logged(said: Sequence[Message]) -> Iterator[tuple[str, str]]:
    return (
        (f"in the log of {each.release or 'a pod'}", each.text) for each in said if each.is_loud
    )


def _exit_code(ended: Sequence[tuple[str, int]], failed: Sequence[Request]) -> Told:
    bad = [what for what, code in ended if code]
    if not ended:
        return Told(EXIT_CODE, False if failed else None, "no command was waited for")
    if bad:
        return Told(EXIT_CODE, True, "; ".join(bad))
    good = "; ".join(what for what, _ in ended)
    return Told(EXIT_CODE, False if failed else None, f"{good}, and {len(failed)} requests failed")


def _commands(history: History, window: Window) -> Iterator[tuple[str, int]]:
    """Yield what each command that had an end said, and its exit code."""
    for each in rollouts.rollouts(history):
        if each.code is not None and each.ended is not None and each.ended in window:
            yield f"deploy of {each.release} exits {each.code}: {each.message}", each.code
    for event in history.of("answer"):
        if event["t"] in window:
            said = event["told"].get("sentence", "")
            yield f"{event['name']} exits {event['code']}: {said}", event["code"]
    for name, code in _jobs(history, window).items():
        yield f"job {name} {'fails' if code else 'succeeds'}", code


def _jobs(history: History, window: Window) -> dict[str, int]:
    found: dict[str, int] = {}
    for line in history.of("job"):
        if line["t"] in window and line["succeeded"]:
            found[line["name"]] = 0
        elif line["t"] in window and any(_has_failed(each) for each in line["conditions"]):
            found[line["name"]] = 1
    return found


def _has_failed(condition: dict[str, object]) -> bool:
    return condition.get("type") == "Failed" and condition.get("status") == "True"
