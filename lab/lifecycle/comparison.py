"""Is a machine of an inventory what it was before it became a node? Pure.

What it had is noted when it is claimed and compared when it is given back, both on the machine
(lab/provision/templates/host-shape.sh.j2): links, mounts, kernel modules, files in places of
lab's, routes, rules of iptables, and kernel settings.
"""

from collections.abc import Iterator
from dataclasses import dataclass

MARK = "lab-compared:"
MODULE = "module "


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a machine has more and less than before; `compared` is False where nothing was noted."""

    host: str
    compared: bool
    more: tuple[str, ...] = ()
    less: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        if not self.compared:
            return f"{self.host}: not compared, nothing was noted of how it was before"
        return f"{self.host}: {'; '.join(self._parts())}"

    def _parts(self) -> Iterator[str]:
        modules = [each.removeprefix(MODULE) for each in self.more if each.startswith(MODULE)]
        others = [f"+ {each}" for each in self.more if not each.startswith(MODULE)]
        others += [f"- {each}" for each in self.less]
        if modules:
            yield f"kernel modules stay until it boots: {', '.join(modules)}"
        if others:
            yield f"differs from before: {', '.join(others)}"
        else:
            yield "nothing else differs from before" if modules else "nothing differs from before"


def read_comparison(host: str, out: str) -> Comparison:
    """Read what the script printed that gave a machine back."""
    lines = [each.removeprefix(MARK).strip() for each in out.splitlines() if each.startswith(MARK)]
    more = tuple(each[2:] for each in lines if each.startswith("+ "))
    less = tuple(each[2:] for each in lines if each.startswith("- "))
    return Comparison(host, bool(lines), more, less)
