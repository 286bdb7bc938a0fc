"""Why could a host not be used? From what ssh and the host said to a name and a remedy.

Pure. ssh(1): "ssh exits with the exit status of the remote command or with 255 if an error
occurred". The texts are those of OpenSSH's sources, as LogLevel=ERROR shows them.
"""

import re
import shlex
from dataclasses import dataclass
from enum import StrEnum

from lab.machines.commands import SHOWN_LINES
from lab.machines.inventory import Host

SSH_ERROR = 255


class Kind(StrEnum):
    UNREACHABLE = "unreachable"
    KEY_CHANGED = "host key changed"
    KEY_UNKNOWN = "host key unknown"
    DENIED = "permission denied"
    NO_SUDO = "no sudo"
    NO_SHELL = "no shell"
    LOST = "connection lost"
    TOO_LATE = "no answer in time"
    SCRIPT_FAILED = "script failed"
    SSH_FAILED = "ssh failed"


@dataclass(frozen=True, slots=True)
class Failure:
    """What happened on a host, in its or ssh's own words, and the next command to type.

    `status` is the script's exit status where it ran to its end.
    """

    kind: Kind
    host: Host
    said: str
    hint: str
    status: int | None = None

    @property
    def message(self) -> str:
        return f"{self.host.name} ({place(self.host)}): {self.kind}: {self.said}"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a call of ssh ended; `began` when the script was reached, `status` when it ended."""

    ssh_status: int
    began: bool
    status: int | None
    out: str
    err: str


def place(host: Host) -> str:
    """Return it as one types it after ssh."""
    port = "" if host.port == 22 else f" port {host.port}"
    return f"{host.user}@{host.hostname}{port}"


# Sought in what ssh said, the more telling first: a changed key also ends in "verification
# failed", and a key with too open a mode in "Permission denied".
_RULES = (
    (Kind.KEY_CHANGED, r"REMOTE HOST IDENTIFICATION HAS CHANGED"),
    (Kind.KEY_CHANGED, r"Host key for \S+ has changed and you have requested strict checking"),
    (Kind.KEY_UNKNOWN, r"No \S+ host key is known for \S+ and you have requested strict checking"),
    (Kind.DENIED, r"Permissions \d+ for .* are too open"),
    (Kind.DENIED, r"Load key .*: .*"),
    (Kind.DENIED, r"Too many authentication failures"),
    (Kind.DENIED, r"Permission denied \(.*\)"),
    (Kind.UNREACHABLE, r"Could not resolve hostname .*"),
    (Kind.UNREACHABLE, r"connect to host .*"),
    (Kind.UNREACHABLE, r"Connection timed out during banner exchange"),
    (Kind.UNREACHABLE, r"Connection to .* timed out"),
    (Kind.UNREACHABLE, r"(kex_exchange_identification|banner exchange): .*"),
    (Kind.UNREACHABLE, r"Connection (closed|reset) by .*"),
)
RULES = tuple((kind, re.compile(pattern)) for kind, pattern in _RULES)


def classify(host: Host, ended: Ended, *, known_hosts: str) -> Failure:
    """Return what went wrong; `known_hosts` is the file that a remedy for a host key changes."""
    if ended.began:
        return _of_script(host, ended)
    if ended.ssh_status != SSH_ERROR:
        return _of_login(host, ended)
    for kind, pattern in RULES:
        if found := pattern.search(ended.err):
            said = found.group().strip()
            return Failure(kind, host, said, _remedy(kind, host, ended.err, known_hosts))
    return Failure(Kind.SSH_FAILED, host, _last(ended.err), f"{_by_hand(host)} -v")


def too_late(host: Host, said: str) -> Failure:
    """Return the failure of what did not end within its bound, which no option makes longer."""
    return Failure(Kind.TOO_LATE, host, said, f"{_by_hand(host)} uptime, then the same again")


def _of_script(host: Host, ended: Ended) -> Failure:
    said = _last(ended.err or ended.out)
    if ended.status is None and ended.ssh_status == SSH_ERROR:
        return Failure(Kind.LOST, host, said, f"{_by_hand(host)} uptime, then the same again")
    status = ended.ssh_status if ended.status is None else ended.status
    told = f"exit status {status}: {said}"
    return Failure(Kind.SCRIPT_FAILED, host, told, _by_hand(host), status)


def _of_login(host: Host, ended: Ended) -> Failure:
    """The login succeeded and the script was not reached: sudo, or the login's own shell."""
    said = _last(ended.err or ended.out)
    if host.sudo and host.user != "root" and re.search(r"\bsudo(-rs|ers)?\b", said):
        return Failure(Kind.NO_SUDO, host, said, _sudo_remedy(host, said))
    told = f"exit status {ended.ssh_status}: {said}"
    return Failure(Kind.NO_SHELL, host, told, f"{_by_hand(host)} getent passwd {host.user}")


def _sudo_remedy(host: Host, said: str) -> str:
    if "not found" in said:
        return f"install sudo on {host.name}, or log in as root"
    rule = f"{host.user} ALL=(ALL) NOPASSWD: ALL"
    return f"on {host.name}, as root: visudo -f /etc/sudoers.d/lab, with the line: {rule}"


def _remedy(kind: Kind, host: Host, err: str, known_hosts: str) -> str:
    match kind:
        case Kind.KEY_CHANGED:
            offending = re.search(r"Offending .* key in (.+):\d+", err)
            file = offending.group(1) if offending else known_hosts
            forget = shlex.join(["ssh-keygen", "-f", file, "-R", host.known_as])
            return f"if {host.name} was installed anew: {forget}; if not, somebody else answers"
        case Kind.KEY_UNKNOWN:
            return f"{learning(host, known_hosts)}, or --accept-new-host-keys"
        case Kind.DENIED:
            return _key_remedy(host, err)
        case _:
            return f"{_by_hand(host)} true; is it on, and does sshd listen on port {host.port}?"


def learning(host: Host, known_hosts: str) -> str:
    """Return what makes the host's key known in that file."""
    scan = shlex.join(["ssh-keyscan", "-p", str(host.port), _scanned(host)])
    return f"{scan} >> {shlex.quote(known_hosts)}, compare it with the host's own"


def _scanned(host: Host) -> str:
    """Return the name that known_hosts has, without its port."""
    named = re.fullmatch(r"\[(.+)\]:\d+", host.known_as)
    return named.group(1) if named else host.known_as


def _key_remedy(host: Host, err: str) -> str:
    if host.key and "too open" in err:
        return f"chmod 600 {shlex.quote(str(host.key))}"
    key = ["-i", f"{host.key}.pub"] if host.key else []
    copy = ["ssh-copy-id", *key, "-p", str(host.port), f"{host.user}@{host.hostname}"]
    return f"{shlex.join(copy)}; a key with a passphrase: ssh-add"


def _by_hand(host: Host) -> str:
    key = ["-i", str(host.key)] if host.key else []
    port = ["-p", str(host.port)] if host.port != 22 else []
    config = ["-F", str(host.config)] if host.config else []
    return shlex.join(["ssh", *config, *key, *port, f"{host.user}@{host.hostname}"])


def _last(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-SHOWN_LINES:]) or "it said nothing"
