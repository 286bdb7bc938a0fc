"""Predictions about what can be read of what was acknowledged, asked after the run."""

from lab.scenario import posts
from lab.scenario.evidence import Window
from lab.scenario.history import History
from lab.scenario.model import Check, Moment
from lab.scenario.verdict import CheckResult


def cannot_be_read(release: str, *, since: Moment, until: Moment) -> Check:
    """Some of what was acknowledged between two moments is stored, and `release` does not show it.

    Nothing was lost and nothing fails: what is there is not where this release looks for it.
    """
    name = f"acknowledged chirps are hidden from {release}"

    def judge(history: History) -> CheckResult:
        window = Window(since.at(history), until.at(history))
        acked = {post.ref for post in posts.acknowledged(history) if post.is_in(window)}
        audited = [e for e in history.of("audit") if e["ref"] in acked and e["release"] == release]
        hidden = [e for e in audited if e["stored"] and e["readable"] and e["matches"] is False]
        return CheckResult(
            name=name,
            ok=bool(hidden) if audited else None,
            claim=f"of what was acknowledged from {since.sentence} to {until.sentence}"
            f" {release} shows some chirps otherwise than they were sent",
            predicted="1 or more",
            measured=len(hidden),
            formula="chirps that are stored, and whose text is another one when they are read",
            tolerance="none",
            detail=f"{len(audited)} were read back",
        )

    return Check(name, judge)
