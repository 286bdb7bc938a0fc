"""What does the environment ask for? All mistakes are told at once.

CHIRPS_CODE            module in lab/chirps/releases; only `serve` needs it
CHIRPS_RELEASE         the name shown; from CHIRPS_CODE when not given
CHIRPS_TRACK           folder of migrations on top of base          base
CHIRPS_POD             name of the pod                              host name
CHIRPS_NODE            name of its node                             unknown
CHIRPS_HOST            address to listen on                         0.0.0.0
CHIRPS_PORT            port to listen on, 0 for any                 8080
CHIRPS_POOL_SIZE       connections to the database                  8
CHIRPS_POOL_TIMEOUT_S  longest wait for one of them                 2
CHIRPS_GRACEFUL_S      time for requests to end after SIGTERM       15
CHIRPS_LOG_LEVEL       debug, info, warning or error                info
CHIRPS_GATE            off, warn, refuse, wait or migrate: what to  off
                       do when the database does not fit
CHIRPS_GATE_RULE       required, nothing-pending or equal: when it  required
                       fits; all but the first are there to be
                       seen to go wrong
CHIRPS_GATE_BUDGET_S   longest wait of the gate `wait`, and of      60
                       `migrate` for a database that is away
CHIRPS_LOCK            none, try or blocking: of the gate `migrate` none
CHIRPS_READINESS       latch, deep or shallow: what /readyz means   latch
CHIRPS_LIVENESS        loop or database: what /livez means          loop
CHIRPS_WORKER          what the release does beside requests: its   off
                       kinds are in WORK of its module
CHIRPS_DEFECT          what to do wrong on purpose, see defects.py
PGHOST PGPORT PGUSER PGPASSWORD PGDATABASE       as libpq reads them
PGPASSWORD_FILE        a file that holds the password: an environment is shown to whoever
                       may list processes
"""

import math
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.chirps.errors import BadConfiguration

LOG_LEVELS = ("debug", "info", "warning", "error")
GATES = ("off", "warn", "refuse", "wait", "migrate")
GATE_RULES = ("required", "nothing-pending", "equal")
LOCKS = ("none", "try", "blocking")
READINESS = ("latch", "deep", "shallow")
LIVENESS = ("loop", "database")
NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
LIBPQ = {
    "PGHOST": "host",
    "PGPORT": "port",
    "PGUSER": "user",
    "PGPASSWORD": "password",
    "PGDATABASE": "dbname",
}
# PostgreSQL cuts a longer application_name without a word (NAMEDATALEN - 1), and then the
# sessions of one pod could not be told from another's.
LONGEST_APPLICATION_NAME = 63


@dataclass(frozen=True, slots=True)
class Settings:
    """`database` are libpq's parameters by keyword; those not given are left to libpq."""

    code: str
    release: str
    track: str
    pod: str
    node: str
    host: str
    port: int
    pool_size: int
    pool_timeout_s: float
    graceful_s: float
    log_level: str
    gate: str
    gate_rule: str
    gate_budget_s: float
    lock: str
    readiness: str
    liveness: str
    worker: str
    defect: str
    database: Mapping[str, str] = field(repr=False)

    @property
    def application_name(self) -> str:
        return f"chirps/{self.release}/{self.pod}"

    @property
    def migration_name(self) -> str:
        return f"chirps-migrate/{self.release}/{self.pod}"


def read(environ: Mapping[str, str], *, needs_code: bool = False) -> Settings:
    """Return the settings, or raise BadConfiguration with every mistake."""
    reader = Reader(environ)
    code = reader.name("CHIRPS_CODE", "")
    if needs_code and not code and not reader.mistakes:
        reader.mistakes.append("CHIRPS_CODE is not set: it names the release whose code is to run")
    settings = Settings(
        code=code,
        release=reader.name("CHIRPS_RELEASE", code.replace("_", "-") or "unknown"),
        track=reader.name("CHIRPS_TRACK", "base"),
        pod=reader.name("CHIRPS_POD", socket.gethostname()),
        node=reader.name("CHIRPS_NODE", "unknown"),
        host=environ.get("CHIRPS_HOST") or "0.0.0.0",  # noqa: S104 - a pod's own address
        port=reader.integer("CHIRPS_PORT", 8080, low=0, high=65535),
        pool_size=reader.integer("CHIRPS_POOL_SIZE", 8, low=1, high=1000),
        pool_timeout_s=reader.seconds("CHIRPS_POOL_TIMEOUT_S", 2),
        graceful_s=reader.seconds("CHIRPS_GRACEFUL_S", 15),
        log_level=reader.choice("CHIRPS_LOG_LEVEL", "info", LOG_LEVELS),
        gate=reader.choice("CHIRPS_GATE", "off", GATES),
        gate_rule=reader.choice("CHIRPS_GATE_RULE", "required", GATE_RULES),
        gate_budget_s=reader.seconds("CHIRPS_GATE_BUDGET_S", 60),
        lock=reader.choice("CHIRPS_LOCK", "none", LOCKS),
        readiness=reader.choice("CHIRPS_READINESS", "latch", READINESS),
        liveness=reader.choice("CHIRPS_LIVENESS", "loop", LIVENESS),
        worker=reader.name("CHIRPS_WORKER", "off"),
        defect=environ.get("CHIRPS_DEFECT", ""),
        database=reader.libpq(),
    )
    for application in (settings.application_name, settings.migration_name):
        reader.check_application_name(application)
    if reader.mistakes:
        raise BadConfiguration(reader.mistakes)
    return settings


class Reader:
    """Reads one variable after the other and keeps what is wrong with them in `mistakes`.

    A variable that is set to nothing counts as not set, as libpq has it.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.mistakes: list[str] = []

    def name(self, variable: str, default: str) -> str:
        """Names go into headers and application_name: no spaces, no separators."""
        value = self._environ.get(variable) or default
        if value and not NAME.fullmatch(value):
            self.mistakes.append(
                f"{variable} is {value!r}: it must be letters, digits, dots, dashes, underscores"
            )
        return value

    def integer(self, variable: str, default: int, *, low: int, high: int) -> int:
        text = self._environ.get(variable) or str(default)
        # int() takes more than a person would write: "8_0", " 80 " and other scripts' digits.
        if re.fullmatch(r"[0-9]{1,9}", text) and low <= int(text) <= high:
            return int(text)
        self.mistakes.append(f"{variable} is {text!r}: it must be a number from {low} to {high}")
        return default

    def seconds(self, variable: str, default: float) -> float:
        text = self._environ.get(variable) or str(default)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if 0 < value <= 3600:
            return value
        self.mistakes.append(f"{variable} is {text!r}: it must be seconds, above 0, at most 3600")
        return default

    def choice(self, variable: str, default: str, choices: tuple[str, ...]) -> str:
        value = self._environ.get(variable) or default
        if value not in choices:
            self.mistakes.append(f"{variable} is {value!r}: it must be {' or '.join(choices)}")
        return value

    def libpq(self) -> dict[str, str]:
        if self._environ.get("PGPORT"):
            self.integer("PGPORT", 5432, low=1, high=65535)
        given = {
            keyword: self._environ[variable]
            for variable, keyword in LIBPQ.items()
            if self._environ.get(variable)
        }
        if file := self._environ.get("PGPASSWORD_FILE"):
            given["password"] = self._read("PGPASSWORD_FILE", file)
        return given

    def _read(self, variable: str, file: str) -> str:
        try:
            return Path(file).read_text().removesuffix("\n")
        except (OSError, UnicodeDecodeError) as error:
            self.mistakes.append(f"{variable} is {file!r}, which cannot be read: {error}")
            return ""

    def check_application_name(self, name: str) -> None:
        if len(name) > LONGEST_APPLICATION_NAME:
            self.mistakes.append(
                f"CHIRPS_RELEASE and CHIRPS_POD make {name!r} of {len(name)} bytes: "
                f"PostgreSQL would cut it after {LONGEST_APPLICATION_NAME}"
            )
