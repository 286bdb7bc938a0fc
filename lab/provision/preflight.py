"""Can these hosts become the nodes of a cluster? Everything that is wrong, of all, at once.

    asked = time.time()
    outcomes = run_on_all(hosts, script("k3s"), ssh=ssh)
    answered = time.time()
    found = {name: read_facts(answer.out, began=asked, ended=answered) ...}
    require_fit(judge(found, Wanted("k3s", servers=frozenset(["n1"]))))

and then, of hosts that are fit, `neighbour_script(peers)` and `judge_neighbours` in the same way.

Pure but for the scripts, which the caller runs. That pods of different nodes reach each other
cannot be seen before there are pods: `lab.provision.pod_network` does.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from statistics import median
from typing import Protocol

from lab.errors import HostUnfit
from lab.provision.diagnosis_admission import MAX_SKEW_S
from lab.provision.preflight_facts import SYSCTLS, Facts, read_facts
from lab.provision.preflight_findings import Finding, Level, Wanted
from lab.provision.preflight_neighbours import judge_neighbour
from lab.provision.preflight_rules import judge_one, of_completeness
from lab.provision.preflight_scripts import Peer, neighbour_script, script

__all__ = [
    "MAX_SKEW_S",
    "SYSCTLS",
    "Facts",
    "Finding",
    "Level",
    "Peer",
    "Unusable",
    "Wanted",
    "errors",
    "judge",
    "judge_neighbours",
    "neighbour_script",
    "read_facts",
    "require_fit",
    "script",
    "warnings",
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
    known = _known(found)
    findings = [
        *_of_unusable(found),
        *(finding for node, facts in known.items() for finding in judge_one(node, facts, wanted)),
        *_of_names(known),
        *_of_machines(known),
        *_of_clocks(known),
    ]
    return _in_order(findings, found)


def judge_neighbours(
    found: Mapping[str, Facts | Unusable], peers: Sequence[Peer], wanted: Wanted
) -> list[Finding]:
    """Return what is wrong between hosts, from what `neighbour_script(peers)` said on each.

    In the nodes' order, errors first.
    """
    known = _known(found)
    findings = [
        *_of_unusable(found),
        *(each for node, facts in known.items() for each in of_completeness(node, facts, wanted)),
        *(
            each
            for node, facts in known.items()
            for each in judge_neighbour(node, facts, peers, wanted)
        ),
    ]
    return _in_order(findings, found)


def errors(findings: Sequence[Finding]) -> list[Finding]:
    return [each for each in findings if each.level is Level.ERROR]


def warnings(findings: Sequence[Finding]) -> list[Finding]:
    return [each for each in findings if each.level is Level.WARNING]


def require_fit(findings: Sequence[Finding]) -> None:
    """Raise HostUnfit with every finding where one is an error."""
    fatal = errors(findings)
    if fatal:
        nodes = len({each.node for each in fatal})
        head = f"{nodes} of the hosts cannot be a node as they are; nothing was changed"
        raise HostUnfit(
            "\n".join((head, *(f"  {each.text()}" for each in findings))), hint=fatal[0].remedy
        )


def _known(found: Mapping[str, Facts | Unusable]) -> dict[str, Facts]:
    return {node: each for node, each in found.items() if isinstance(each, Facts)}


def _of_unusable(found: Mapping[str, Facts | Unusable]) -> Iterator[Finding]:
    for node, each in found.items():
        if not isinstance(each, Facts):
            yield Finding(node, f"{each.kind}: {each.said}", each.hint)


def _in_order(findings: Sequence[Finding], nodes: Iterable[str]) -> list[Finding]:
    order = {node: position for position, node in enumerate(nodes)}
    last = len(order)
    return sorted(findings, key=lambda each: (order.get(each.node, last), each.level, each.what))


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
