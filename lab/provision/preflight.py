"""Can these hosts become the nodes of a cluster? Everything that is wrong, of all, at once.

    asked = time.time()
    outcomes = run_on_all(hosts, script("k3s"), ssh=ssh)
    answered = time.time()
    found = {name: read_facts(answer.out, began=asked, ended=answered) ...}
    require_fit(judge(found, Wanted("k3s", servers=frozenset(["n1"]))))

Pure but for the script, which the caller runs. That pods of different nodes reach each other
cannot be seen before there are pods: `lab.provision.readiness` does.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import Protocol

from lab.errors import HostUnfit
from lab.provision.diagnosis_rules import MAX_SKEW_S
from lab.provision.preflight_facts import SYSCTLS, Facts, read_facts, script
from lab.provision.preflight_rules import Finding, Level, Wanted, judge_one

__all__ = [
    "MAX_SKEW_S",
    "SYSCTLS",
    "Facts",
    "Finding",
    "Level",
    "Unusable",
    "Wanted",
    "errors",
    "judge",
    "read_facts",
    "require_fit",
    "script",
]

HERE = "this host"


class Unusable(Protocol):
    """Why nothing is known of a host: it was not reached, there is no sudo, it did not end.

    `lab.machines.host_failure.Failure` is one: a name, what was said, and the next command.
    """

    @property
    def kind(self) -> str: ...
    @property
    def said(self) -> str: ...
    @property
    def hint(self) -> str: ...


def judge(found: Mapping[str, Facts | Unusable], wanted: Wanted) -> list[Finding]:
    """Return all findings of all nodes, in the nodes' order, errors first."""
    known = {node: each for node, each in found.items() if isinstance(each, Facts)}
    findings = [
        *(
            Finding(node, f"{each.kind}: {each.said}", each.hint)
            for node, each in found.items()
            if not isinstance(each, Facts)
        ),
        *(finding for node, facts in known.items() for finding in judge_one(node, facts, wanted)),
        *_of_names(known),
        *_of_machines(known),
        *_of_clocks(known),
    ]
    order = {node: position for position, node in enumerate(found)}
    last = len(order)
    return sorted(findings, key=lambda each: (order.get(each.node, last), each.level, each.what))


def errors(findings: Sequence[Finding]) -> list[Finding]:
    return [each for each in findings if each.level is Level.ERROR]


def require_fit(findings: Sequence[Finding]) -> None:
    """Raise HostUnfit with every finding where one is an error."""
    fatal = errors(findings)
    if fatal:
        nodes = len({each.node for each in fatal})
        head = f"{nodes} of the hosts cannot be a node as they are; nothing was changed"
        raise HostUnfit(
            "\n".join((head, *(f"  {each.text()}" for each in findings))), hint=fatal[0].remedy
        )


def _of_names(known: Mapping[str, Facts]) -> Iterator[Finding]:
    """docs.k3s.io/installation/requirements: no two nodes may have one hostname."""
    for node, others in _shared(known, lambda facts: facts.one("hostname")):
        yield Finding(
            node,
            f"its hostname {known[node].one('hostname')} is that of {', '.join(others)} too",
            f"hostnamectl set-hostname {node} on {node}",
        )


def _of_machines(known: Mapping[str, Facts]) -> Iterator[Finding]:
    """One number may be a copied disk; with one boot, it is one machine by two addresses."""

    def of_boot(facts: Facts) -> str:
        return " ".join(filter(None, (facts.one("machine"), facts.one("boot"))))

    same = dict(_shared(known, lambda facts: of_boot(facts) if facts.one("machine") else ""))
    for node, others in _shared(known, lambda facts: facts.one("machine")):
        if node in same:
            what = f"it is the same machine as {', '.join(same[node])}"
            yield Finding(node, what, "an inventory with each machine once")
        else:
            what = f"its /etc/machine-id is that of {', '.join(others)} too: a copied disk"
            remedy = f"on {node}: rm /etc/machine-id, systemd-machine-id-setup, reboot"
            yield Finding(node, what, remedy, Level.WARNING)


def _shared(
    known: Mapping[str, Facts], value_of: Callable[[Facts], str]
) -> Iterator[tuple[str, list[str]]]:
    """Yield each node with the others that have the same value, if it is not empty."""
    values = {node: value_of(facts) for node, facts in known.items()}
    for node, value in values.items():
        others = [each for each in values if values[each] == value and each != node]
        if value and others:
            yield node, others


def _of_clocks(known: Mapping[str, Facts]) -> Iterator[Finding]:
    """Name the fewest clocks without which all agree; those of this host and all nodes count."""
    spans = {node: facts.ahead for node, facts in known.items() if facts.ahead}
    left = {HERE: (0.0, 0.0), **spans}
    while (pair := _farthest(left)) is not None:
        middle = median(_middle(span) for span in left.values())
        # Of two alone nobody knows which is right; the node is named, as the one to look at.
        wrong = max(pair, key=lambda each: (abs(_middle(left[each]) - middle), each != HERE))
        off = _middle(left.pop(wrong)) - median(_middle(span) for span in left.values())
        yield Finding(
            wrong,
            f"its clock is {abs(off):.0f} s {'ahead of' if off > 0 else 'behind'} the others",
            f"timedatectl set-ntp true on {wrong}, and wait until it is right",
        )


def _middle(span: tuple[float, float]) -> float:
    return sum(span) / 2


def _farthest(spans: Mapping[str, tuple[float, float]]) -> tuple[str, str] | None:
    """Return the two that are surely the farthest apart, if by more than the bound."""

    def apart(pair: tuple[str, str]) -> float:
        (low, high), (other_low, other_high) = spans[pair[0]], spans[pair[1]]
        return max(low - other_high, other_low - high)

    pair = max(combinations(spans, 2), key=apart, default=None)
    return pair if pair and apart(pair) > MAX_SKEW_S else None
