"""What is behind the words of a node that did not join, and what is to be done about it?

Pure: from the text of a failed operation (kubeadm's output, k3s' journal, the state of a unit)
to a name, the lines that tell it, and the next command. `lab.provision.diagnosis_rules` has the
words; each rule says where they come from and whether they were heard from a real program.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lab.provision.diagnosis_rules import RULES, Facts, Kind, Proof, Rule

__all__ = ["RULES", "Diagnosis", "Facts", "Kind", "Proof", "Rule", "diagnose", "redact"]

# Enough to see it for oneself; a journal repeats the rest.
SHOWN_LINES = 3

SECRETS = (
    (re.compile(r"K10[0-9a-f]*::[^\s\"'\\]+"), "(token)"),
    (re.compile(r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b"), "(token)"),
    (
        # Not `token: `, which says what became of one: "failed to validate token: not found".
        re.compile(
            r"(--(?:token|password|certificate-key)[= ]|\b(?:K3S_TOKEN|token|password)="
            r"|\"(?:token|password)\":\s*\")[^\s\"'\\]+"
        ),
        r"\1(secret)",
    ),
    (re.compile(r"\b(Bearer|Basic) [A-Za-z0-9._~+/=-]{8,}"), r"\1 (secret)"),
    (
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.S
        ),
        "(key)",
    ),
)


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The cause, what it means for the node, the lines that tell it, and what to do next.

    `evidence` are lines without secrets, at least one; `remedy` is the next command.
    """

    kind: Kind
    what: str
    evidence: tuple[str, ...]
    remedy: str

    @property
    def line(self) -> str:
        return self.evidence[0]

    def text(self) -> str:
        return f"{self.kind}: {self.what} ({self.line})"


def diagnose(
    evidence: str, *, node: str = "NODE", distribution: str = "", facts: Facts | None = None
) -> Diagnosis | None:
    """Return what the text tells of a node, or None when nobody knows.

    Without a `distribution`, "k3s" or "kubeadm", the words of both count.
    """
    # First of all, and not line by line: a key has many.
    evidence, known = redact(evidence), facts or Facts()
    for rule in RULES:
        if distribution and rule.distribution not in ("", distribution):
            continue
        found = [
            each for each in rule.pattern.finditer(evidence) if rule.holds(each, evidence, known)
        ]
        if found:
            return _told(rule, found, evidence, node)
    return None


def redact(text: str) -> str:
    """Return the text without tokens of k3s and of kubeadm, passwords and keys.

    A token that stands alone is known by its form only: k3s' own long form, and bootstrap tokens.
    """
    for secret, instead in SECRETS:
        text = secret.sub(instead, text)
    return text


def _told(rule: Rule, found: list[re.Match[str]], evidence: str, node: str) -> Diagnosis:
    named = {name: value or "" for name, value in found[0].groupdict().items()} | {"node": node}
    return Diagnosis(
        rule.kind,
        rule.what.format_map(named),
        _lines(found, evidence),
        rule.remedy.format_map(named),
    )


def _lines(found: Iterable[re.Match[str]], evidence: str) -> tuple[str, ...]:
    """Return the lines of the matches, those that say the same in the same words once."""
    said = {each.group(): each for each in reversed(list(found))}
    return tuple(_line_of(evidence, each) for each in list(said.values())[::-1][:SHOWN_LINES])


def _line_of(text: str, found: re.Match[str]) -> str:
    start = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    return text[start : end if end >= 0 else len(text)].strip()
