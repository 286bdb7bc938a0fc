"""What is kept of a host's state, and how does it travel through JSON?"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from lab.errors import InvalidValue

Facts = dict[str, str]


class Kind(StrEnum):
    """A group of facts; in each, a name stands for a value."""

    LINK = "link"
    ADDRESS = "address"
    ROUTE = "route"
    NETNS = "network namespace"
    RULES = "firewall rules"
    SOCKET = "listening socket"
    MOUNT = "mount"
    CGROUP = "cgroup"
    SYSCTL = "sysctl"
    USER = "user"
    GROUP = "group"
    MACHINE = "machine"
    UNIT = "systemd unit"
    ETC = "file in /etc"
    MODULE = "module"
    PROCESS = "process"
    IMAGE = "machine image"
    TEMPORARY = "temporary file"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The host at one moment.

    `places` are the lab's own directories. A kind that could not be read is not in
    `facts` but in `unread`, with the reason: nothing seen is not the same as nothing there.
    """

    boot: str
    places: tuple[str, ...]
    facts: Mapping[Kind, Facts]
    unread: Mapping[Kind, str]

    def to_dict(self) -> dict[str, Any]:
        return {
            "boot": self.boot,
            "places": list(self.places),
            "facts": {kind.value: dict(facts) for kind, facts in self.facts.items()},
            "unread": {kind.value: reason for kind, reason in self.unread.items()},
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Self:
        """Raises InvalidValue when `value` is not what `to_dict` made."""
        try:
            return cls(
                boot=str(value["boot"]),
                places=tuple(map(str, value["places"])),
                facts={Kind(kind): _facts(facts) for kind, facts in value["facts"].items()},
                unread={Kind(kind): str(reason) for kind, reason in value["unread"].items()},
            )
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise InvalidValue(f"this is no fingerprint of a host: {exc!r}") from exc


def _facts(value: Mapping[str, Any]) -> Facts:
    return {str(name): str(text) for name, text in value.items()}
