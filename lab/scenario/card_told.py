"""Did a line in the log, a metric, an exit code tell the operator who fails, why, and what to do?

Judged from what was recorded: the pods' own logs and counters (`lab.scenario.heard`), and what
commands ended with (`lab.scenario.commands`). A next command is one that
somebody on call could type as it stands there, in a log or in what a command said.

Of a run in which the stage heard no pods, log and metric are inferred from the answers
(`lab.scenario.card_inferred`).
"""

from collections.abc import Callable, Iterator, Sequence

from lab.scenario import card_inferred, commands, heard
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
    return (log, *_next_step(history, window, said, failed), metric, _exit_code(ended, failed))


def _log(said: Sequence[Message], failed: Sequence[Request]) -> Told:
    def explain(kind: Kind) -> str | None:
        found = heard.explained_by(said, kind)
        return _show(found) if found else None

    loudest = next((each for each in said if each.is_loud), None)
    else_ = f"; it says {_show(loudest)}" if loudest else "; it says nothing at all"
    return _judge(LOG, failed, explain, else_)


def _show(message: Message) -> str:
    return f"{message.text} ({message.release or 'no release'}, {message.count} times)"


def _metric(found: Sequence[Moved], failed: Sequence[Request]) -> Told:
    def explain(kind: Kind) -> str | None:
        moved = heard.counted_by(found, kind)
        return f"{moved.shown} of {moved.release}, +{moved.more:g}" if moved else None

    return _judge(METRIC, failed, explain)


def _judge(
    way: str, failed: Sequence[Request], explain: Callable[[Kind], str | None], else_: str = ""
) -> Told:
    """Tell whether nearly all failures are explained, with the explanation of the most frequent.

    `else_` is what is added where they are not.
    """
    if not failed:
        return Told(way, None, NOTHING_FAILED)
    explained = [(kind, many, explain(kind)) for kind, many in heard.kinds(failed)]
    open_ = [(kind, many) for kind, many, said in explained if said is None]
    left = sum(many for _, many in open_)
    if left > (1 - NEARLY_ALL) * len(failed):
        return Told(
            way, False, f"no cause of {left} of {len(failed)} failures, {_name(open_[0][0])}{else_}"
        )
    return Told(way, True, next(said for _, _, said in explained if said is not None))


def _name(kind: Kind) -> str:
    release, sqlstate = kind
    if release is None:
        return "answered by nobody"
    return f"{release} {sqlstate or 'without SQLSTATE'}"


def _next_step(
    history: History, window: Window, said: Sequence[Message], failed: Sequence[Request]
) -> Iterator[Told]:
    """Look for something to type in what a pod logged, or a command answered.

    Where no log was heard, nobody can say that it was not there.
    """
    for where, text in (*_answered(history, window), *_logged(said)):
        if command := heard.command_in(text):
            yield Told(NEXT, True, f"{command} ({where})")
            return
    if heard.was(history, LOGS):
        says = "no log and no command says what to type" if failed else NOTHING_FAILED
        yield Told(NEXT, False if failed else None, says)


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
    for each in commands.ended(history):
        if each.t in window:
            yield each.sentence, each.code
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
