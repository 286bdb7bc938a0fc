"""What is behind the words of a node that did not join, and what is to be done about it?

Pure: from the text of a failed operation (kubeadm's output, k3s' journal, the state of a unit)
to a name, the lines that tell it, and the next command. `lab.provision.diagnosis_rules` has the
words; each rule says where they come from and whether they were heard from a real program.
`tell` makes of what failed on several nodes the lines that a person is shown.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lab.provision.diagnosis_rule import Facts, Kind, Proof, Rule
from lab.provision.diagnosis_rules import RULES

__all__ = [
    "RULES",
    "Diagnosis",
    "Facts",
    "Failure",
    "Kind",
    "Proof",
    "Rule",
    "Told",
    "diagnose",
    "redact",
    "tell",
]

# Enough to see it for oneself; a journal repeats the rest.
SHOWN_LINES = 3
# Where no rule tells which lines matter, the last ones are most likely to.
LAST_LINES = 10
# A line of a journal may hold a whole object as JSON.
LINE_CHARS = 400

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

    `evidence` are lines without secrets, at least one, and `more` is how many others tell the
    same; `remedy` is the next command. It `lasts` where waiting does not mend it.
    """

    kind: Kind
    what: str
    evidence: tuple[str, ...]
    remedy: str
    more: int = 0
    lasts: bool = False

    @property
    def line(self) -> str:
        return self.evidence[0]

    def text(self) -> str:
        return f"{self.kind}: {self.what} ({self.line})"


@dataclass(frozen=True, slots=True)
class Failure:
    """What a node said when something failed there; `what` names the operation, if it was one.

    `node` is empty where the words are not those of one node.
    """

    node: str
    said: str
    what: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """Failures as they are shown: `lines` below a heading, and the next command.

    `nodes` are the names of those that failed; `remedy` is empty where no cause is known.
    """

    nodes: tuple[str, ...]
    lines: tuple[str, ...]
    remedy: str

    def below(self, title: str) -> str:
        """Return one line where one says it all, else the nodes' names and what each said."""
        first, *rest = self.lines
        if rest and self.nodes:
            return "\n".join((f"{title}: {', '.join(self.nodes)}", *self.lines))
        return "\n".join((f"{title}: {first.strip()}", *rest))


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
    lines = _lines(found, evidence)
    return Diagnosis(
        rule.kind,
        rule.what.format_map(named),
        lines[:SHOWN_LINES],
        rule.remedy.format_map(named),
        more=len(lines[SHOWN_LINES:]),
        lasts=rule.lasts,
    )


def _lines(found: Iterable[re.Match[str]], evidence: str) -> tuple[str, ...]:
    """Return the lines of the matches, those that say the same in the same words once."""
    said = {each.group(): each for each in reversed(list(found))}
    return tuple(_line_of(evidence, each) for each in list(said.values())[::-1])


def _line_of(text: str, found: re.Match[str]) -> str:
    """Return the line of the match, of a very long one what is around it."""
    start = text.rfind("\n", 0, found.start()) + 1
    end = text.find("\n", found.end())
    end = end if end >= 0 else len(text)
    if end - start <= LINE_CHARS:
        return text[start:end].strip()
    start = max(start, min(found.start(), end - LINE_CHARS))
    return _short(text[start:end].strip())


def _short(line: str) -> str:
    return line if len(line) <= LINE_CHARS else f"{line[:LINE_CHARS]} ..."


def tell(
    failures: Sequence[Failure], *, distribution: str = "", facts: Facts | None = None
) -> Told:
    """Return what failed on each node, with its cause, the lines that tell it, and what helps.

    A remedy that is the same for all is told once, as the next command. Needs one failure.
    """
    causes = [
        diagnose(each.said, node=each.node or "NODE", distribution=distribution, facts=facts)
        for each in failures
    ]
    remedies = [cause.remedy if cause else "" for cause in causes]
    alike = len(set(remedies)) == 1
    lines = [
        line
        for failure, cause in zip(failures, causes, strict=True)
        for line in (_known(failure, cause, alike=alike) if cause else _unknown(failure))
    ]
    nodes = dict.fromkeys(each.node for each in failures if each.node)
    return Told(tuple(nodes), tuple(lines), next(filter(None, remedies), ""))


def _known(failure: Failure, cause: Diagnosis, *, alike: bool) -> Iterator[str]:
    yield f"  {_head(failure)}{cause.kind}: {cause.what}"
    yield from (f"    {line}" for line in cause.evidence)
    if cause.more:
        yield f"    and {cause.more} more like this"
    if not alike:
        yield f"    remedy: {cause.remedy}"


def _unknown(failure: Failure) -> Iterator[str]:
    lines = [_short(line.strip()) for line in redact(failure.said).splitlines() if line.strip()]
    # What nothing but a program's output tells has no name of a node in it.
    head = _head(failure) if failure.what else ""
    if len(lines) < 2:
        yield f"  {head}{lines[0] if lines else 'no output'}"
        return
    if head:
        yield f"  {head.rstrip()}"
    indent = "    " if head else "  "
    if len(lines) > LAST_LINES:
        yield f"{indent}({len(lines) - LAST_LINES} lines before these)"
    yield from (f"{indent}{line}" for line in lines[-LAST_LINES:])


def _head(failure: Failure) -> str:
    if failure.what:
        return f"{failure.node}: {failure.what!r} failed: "
    return f"{failure.node}: " if failure.node else ""
