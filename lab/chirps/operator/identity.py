"""Whose session is this? The application name says it, and where it does not, the role.

The service connects as `chirps/<release>/<pod>`, a migration as `chirps-migrate/<release>/<pod>`,
and each release has a role of its own, `chirps_v2_naive` for v2-naive.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

ROLE = re.compile(r"chirps_(v[0-9][a-z0-9_]*)")


class Kind(StrEnum):
    SERVICE = "service"
    MIGRATION = "migration"
    QUESTION = "question"
    OTHER = "other"


PROGRAMS = {
    "chirps": Kind.SERVICE,
    "chirps-migrate": Kind.MIGRATION,
    "chirps-ask": Kind.QUESTION,
}


@dataclass(frozen=True, slots=True)
class Identity:
    kind: Kind
    release: str | None = None
    pod: str | None = None


def identify(application_name: str, role: str | None) -> Identity:
    """A session of a release's role is the service's, whatever name it gives itself."""
    program, *rest = application_name.split("/")
    if program in PROGRAMS and len(rest) == 2 and all(rest):
        return Identity(PROGRAMS[program], *rest)
    release = release_of_role(role or "")
    return Identity(Kind.OTHER if release is None else Kind.SERVICE, release)


def release_of_role(role: str) -> str | None:
    found = ROLE.fullmatch(role)
    return None if found is None else found[1].replace("_", "-")
