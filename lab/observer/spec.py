"""What is a run asked to do?"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from enum import StrEnum
from typing import Any, Self
from urllib.parse import urlsplit

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
PROBLEM_OF = {int: "an integer", float: "a number", bool: "true or false", str: "text"}


class Arrival(StrEnum):
    """How requests follow each other: at equal distances, or as a Poisson process."""

    UNIFORM = "uniform"
    POISSON = "poisson"


class Endpoint(StrEnum):
    """What a request asks of the service; also the names in a mix."""

    LIST_CHIRPS = "list_chirps"
    GET_CHIRP = "get_chirp"
    CREATE_CHIRP = "create_chirp"
    CREATE_USER = "create_user"
    CREATE_SESSION = "create_session"
    PAGE = "page"


class SpecInvalid(ValueError):
    """The load asked for cannot be made; the message has every problem, one a line."""


@dataclass(frozen=True, slots=True)
class LoadSpec:
    """A load and what is watched meanwhile.

    `rate` is requests a second of both transport streams together; sessions come on top.
    `mix` has weights, not rates. `users` and `chirps` are the highest ids that are seeded.
    `audit_per_s` is how many acknowledged writes are read back a second.

    The load has no usual values here: they would be a second opinion beside those of whoever
    asks, and what was left out by mistake would be measured all the same. Only what is
    watched has some, since all of it, steadily, is what a judge needs.
    """

    run: str
    target: str
    seed: int
    rate: float
    arrival: str
    mix: Mapping[str, float]
    keepalive_share: float
    keepalive_connections: int
    sessions_per_s: float
    connect_timeout_s: float
    total_timeout_s: float
    in_flight_cap: int
    hot_authors: tuple[int, ...]
    users: int
    chirps: int
    namespace: str
    service: str
    audit_per_s: float
    sample_hz: float = 2.0
    watch: bool = True
    database: bool = True

    @classmethod
    def parse(cls, content: Any) -> Self:
        """Return the spec in a decoded JSON body; raises SpecInvalid with all its problems."""
        if not isinstance(content, dict):
            raise SpecInvalid("a load is a JSON object")
        names = {each.name for each in fields(cls)}
        required = [each.name for each in fields(cls) if each.default is MISSING]
        problems = [f"{name!r} is unknown" for name in content if name not in names]
        problems += [f"{name!r} is missing" for name in required if name not in content]
        known = {name: value for name, value in content.items() if name in names}
        problems += list(_wrong_types(known))
        if not problems:
            problems = list(_out_of_range(spec := cls(**_normal(known))))
            if not problems:
                return spec
        raise SpecInvalid("\n".join(problems))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def _wrong_types(content: Mapping[str, Any]) -> list[str]:
    problems = []
    types = {each.name: each.type for each in fields(LoadSpec)}
    for name, value in content.items():
        if name == "mix":
            right = isinstance(value, dict) and all(map(_is_number, value.values()))
            expected = "an object of numbers"
        elif name == "hot_authors":
            right = isinstance(value, list | tuple) and all(type(each) is int for each in value)
            expected = "a list of integers"
        else:
            kind = types[name]
            right = _is_number(value) if kind is float else type(value) is kind
            expected = PROBLEM_OF[kind] if isinstance(kind, type) else str(kind)
        if not right:
            problems.append(f"{name!r} is {expected}, not {value!r}")
    return problems


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _normal(content: Mapping[str, Any]) -> dict[str, Any]:
    return {**content, "hot_authors": tuple(content["hot_authors"])}


def _out_of_range(spec: LoadSpec) -> list[str]:
    unknown = sorted(set(spec.mix) - set(Endpoint))
    rules = {
        # It becomes the name of a directory.
        f"'run' {spec.run!r} is not a name": is_name(spec.run),
        # By address: looking up a name would be measured as part of the service.
        f"'target' {spec.target!r} is not http://ADDRESS:PORT": _is_target(spec.target),
        f"'rate' {spec.rate:g} is not above 0": 0 < spec.rate < float("inf"),
        f"'arrival' {spec.arrival!r} is neither uniform nor poisson": spec.arrival in set(Arrival),
        f"'mix' has unknown endpoints: {', '.join(unknown)}": not unknown,
        "'mix' has a negative weight": all(weight >= 0 for weight in spec.mix.values()),
        "'mix' has no weight above 0": any(weight > 0 for weight in spec.mix.values()),
        "'keepalive_share' is not within 0..1": 0 <= spec.keepalive_share <= 1,
        "'keepalive_connections' is below 1": spec.keepalive_connections >= 1,
        "'sessions_per_s' is negative": 0 <= spec.sessions_per_s < float("inf"),
        "'connect_timeout_s' is not above 0": spec.connect_timeout_s > 0,
        "'total_timeout_s' is not above 0": spec.total_timeout_s > 0,
        "'in_flight_cap' is below 1": spec.in_flight_cap >= 1,
        "'hot_authors' is empty": bool(spec.hot_authors),
        "'users' is below 1": spec.users >= 1,
        "'chirps' is below 1": spec.chirps >= 1,
        "'sample_hz' is not above 0": 0 < spec.sample_hz < float("inf"),
        "'audit_per_s' is not above 0": 0 < spec.audit_per_s < float("inf"),
    }
    return [problem for problem, holds in rules.items() if not holds]


def _is_target(text: str) -> bool:
    try:
        url = urlsplit(text)
        ipaddress.ip_address(url.hostname or "")
        port = url.port or 80
    except ValueError:
        return False
    return url.scheme == "http" and port > 0 and url.path in ("", "/")


def is_name(text: str) -> bool:
    """Whether it may name one directory or file, here and not elsewhere."""
    return bool(NAME.fullmatch(text))
