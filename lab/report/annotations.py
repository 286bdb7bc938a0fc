"""Say in the words of GitHub Actions what did not come as predicted: it shows them at the run.

Grammar and escapes: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from lab.errors import EXIT_INVALID
from lab.scenario.tally import Case, Flaky

_IN_TEXT = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_IN_PROPERTY = {**_IN_TEXT, ":": "%3A", ",": "%2C"}


def annotate(case: Case) -> str | None:
    """Return a workflow command, None for what came as predicted."""
    if case.code == 0:
        return None
    told = case.verdict.outcome.value if case.verdict else "not played"
    level = "notice" if case.left_out else "warning" if case.code == EXIT_INVALID else "error"
    reasons = "\n".join(case.reasons) or told
    return _command(level, f"{case.scenario} {case.variant}: {told}", reasons)


def annotate_flaky(flaky: Flaky) -> str:
    return _command("error", f"{flaky.scenario} {flaky.variant}: flaky", flaky.sentence)


def _command(level: str, title: str, text: str) -> str:
    return f"::{level} title={_escape(title, _IN_PROPERTY)}::{_escape(text, _IN_TEXT)}"


def _escape(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(letter, letter) for letter in text)
