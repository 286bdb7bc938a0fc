"""Run scripts as root on machines that people already have, with the host's own OpenSSH client.

What ssh is told by options stands over the user's configuration: nothing is asked, host keys
are checked strictly, and nothing is forwarded. Scripts go in by standard input, so what they
hold is in no command line, here or there.
"""

import os
import pwd
import secrets
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.errors import CommandFailed, LabError, MachineError, NodeUnreachable, ToolMissing
from lab.machines.host_failure import Ended, Failure, Kind, classify, too_late
from lab.machines.inventory import Host
from lab.machines.inventory_file import config_of

CONNECT_BOUND_S = 10
SCRIPT_BOUND_S = 60.0
SYSTEM_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")
# ssh_config(5), IdentityFile: without it, those of the user as whom ssh runs.
OWN_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")

_FIXED = {
    "BatchMode": "yes",
    "ConnectionAttempts": "1",
    "ServerAliveInterval": "5",
    "ServerAliveCountMax": "3",
    "LogLevel": "ERROR",
    # A connection that is kept open would skip every check.
    "ControlMaster": "no",
    "ControlPath": "none",
    "ClearAllForwardings": "yes",
    "ForwardAgent": "no",
    "ForwardX11": "no",
    "PermitLocalCommand": "no",
    "RemoteCommand": "none",
    "RequestTTY": "no",
    "UpdateHostKeys": "no",
}


@dataclass(frozen=True, slots=True)
class Ssh:
    """Whose ssh it is, and which host keys it takes.

    `home` is that of the user who called: their known_hosts, configuration and keys count, also
    through sudo. `accepted` is a file of the lab's own with further known keys; with
    `accept_new`, ssh adds to it (or to the user's, without one) the keys of hosts that neither
    has. A key that has changed is never taken.
    """

    home: Path
    accepted: Path | None = None
    accept_new: bool = False
    connect_bound_s: int = CONNECT_BOUND_S

    def known_hosts(self, host: Host) -> Path:
        """Return the user's file for a host."""
        return host.known_hosts or self.home / ".ssh/known_hosts"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a script printed that ended well."""

    out: str
    err: str


Outcome = Answer | Failure


def run_on_all(
    hosts: Iterable[Host], script: str, *, ssh: Ssh, timeout_s: float = SCRIPT_BOUND_S
) -> dict[str, Outcome]:
    """Run a script on all hosts at once; return by name what each answered or why it did not."""
    chosen = tuple(hosts)
    with ThreadPoolExecutor(max_workers=max(1, len(chosen))) as pool:
        outcomes = pool.map(lambda host: run(host, script, ssh=ssh, timeout_s=timeout_s), chosen)
        return {host.name: outcome for host, outcome in zip(chosen, outcomes, strict=True)}


def require_all(outcomes: Mapping[str, Outcome]) -> dict[str, Answer]:
    """Return the answers; raise one error with every failure, a line each, and its remedy.

    The error is of the kind that `error` gives where there is one failure, else a MachineError.
    """
    failures = [each for each in outcomes.values() if isinstance(each, Failure)]
    if len(failures) == 1:
        raise error(failures[0])
    if failures:
        lines = [f"  {each.message}\n    {each.hint}" for each in failures]
        head = f"{len(failures)} of {len(outcomes)} hosts cannot be used"
        raise MachineError("\n".join((f"{head}:", *lines)), hint=failures[0].hint)
    return {name: each for name, each in outcomes.items() if isinstance(each, Answer)}


def error(failure: Failure) -> LabError:
    """Return it as an error: CommandFailed where a script failed, else NodeUnreachable."""
    kind = CommandFailed if failure.kind is Kind.SCRIPT_FAILED else NodeUnreachable
    return kind(failure.message, hint=failure.hint)


def run(host: Host, script: str, *, ssh: Ssh, timeout_s: float = SCRIPT_BOUND_S) -> Outcome:
    """Run a POSIX shell script on a host as root; it has nothing to read on standard input.

    A script is run only if all of it arrived. At the bound ssh is ended; what runs on the host
    ends when it next writes, so a script that must end has to have a bound of its own.
    Raises ToolMissing without ssh.
    """
    mark = _new_mark()
    given = {"input": _marked(script, mark)}
    return _call(host, ssh, mark, _root_shell(host), given, timeout_s)


def send(host: Host, file: Path, target: str, *, ssh: Ssh, timeout_s: float) -> Outcome:
    """Write a file's content to `target` on a host, whole or not at all; only root may read it.

    Its directory is made, for root only. Raises ToolMissing without ssh.
    """
    mark = _new_mark()
    words = shlex.join(["sh", "-c", _writer(target, mark, size=file.stat().st_size)])
    with file.open("rb") as content:
        return _call(host, ssh, mark, (*_sudo(host), words), {"stdin": content}, timeout_s)


def _new_mark() -> str:
    return f"lab-{secrets.token_hex(8)}"


def _call(
    host: Host,
    ssh: Ssh,
    mark: str,
    remote: Iterable[str],
    given: Mapping[str, Any],
    timeout_s: float,
) -> Outcome:
    """Run words of a host's shell that print `mark` where they begin and end.

    `given` is what they read, as a keyword of `subprocess.run`.
    """
    try:
        done = subprocess.run(
            ssh_command(host, ssh, *remote),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            # What ssh says of the system's errors is understood in English only.
            env={**os.environ, "LC_ALL": "C"},
            check=False,
            **given,
        )
    except FileNotFoundError as exc:
        raise ToolMissing("program 'ssh' was not found", hint="lab doctor") from exc
    except subprocess.TimeoutExpired as exc:
        return _too_late(host, mark, _text(exc.stdout), _text(exc.stderr), timeout_s)
    ended = _read(done.returncode, done.stdout, done.stderr, mark)
    if ended.began and ended.status == 0 == done.returncode:
        return Answer(ended.out, ended.err)
    return classify(host, ended, known_hosts=str(ssh.known_hosts(host)))


def _writer(target: str, mark: str, *, size: int) -> str:
    """Return the command that writes its input; the marks are those of `_marked`.

    To cat, a sender that was killed looks like one that has sent all, so the size is compared.
    """
    place, part = shlex.quote(target), shlex.quote(f"{target}.part")
    directory = shlex.quote(os.path.dirname(target))  # noqa: PTH120 - a path of another host
    whole = f'[ "$(wc -c < {part})" -eq {size} ] || {{ echo "it came in part only" >&2; false; }}'
    return (
        f"echo {mark} >&2; umask 077; mkdir -p {directory} && cat > {part} && {{ {whole}; }} && "
        f"mv {part} {place}; status=$?; echo {mark} $status >&2; exit $status"
    )


def ssh_command(host: Host, ssh: Ssh, *remote: str, terminal: bool = False) -> list[str]:
    """Return the command that logs in to a host and runs `remote` there, words of its shell.

    With a `terminal` they are what somebody types into.
    """
    options = {
        "StrictHostKeyChecking": "accept-new" if ssh.accept_new else "yes",
        "ConnectTimeout": str(ssh.connect_bound_s),
        "UserKnownHostsFile": " ".join(map(_quoted, _known_hosts(host, ssh))),
        **({"IdentitiesOnly": "yes"} if host.key else {}),
        **_FIXED,
        **({"RequestTTY": "force"} if terminal else {}),
    }
    keys = (host.key,) if host.key else own_keys(ssh.home)
    named = [*options.items(), *(("IdentityFile", _quoted(key)) for key in keys)]
    flags = [part for key, value in named for part in ("-o", f"{key}={value}")]
    config = config_of(host.config, ssh.home)
    where = ["-l", host.user, "-p", str(host.port), "--", host.hostname]
    return ["ssh", "-F", str(config), *flags, *where, *remote]


def known_keys(host: Host, ssh: Ssh) -> str:
    """Return the lines of known_hosts that ssh has for a host, in plain names; "" without any.

    They are what a lab's own known_hosts is made from, for clients that read one file only.
    Keys that are marked as revoked, or as those of an authority, are left out.
    """
    files = (*_known_hosts(host, ssh), SYSTEM_KNOWN_HOSTS)
    found = [line for file in files if file.is_file() for line in _lines_of(host, file)]
    return "".join(f"{line}\n" for line in dict.fromkeys(found))


def authority_of(host: Host, ssh: Ssh) -> Path | None:
    """Return the known_hosts with an authority for a host (sshd(8), @cert-authority)."""
    files = (file for file in (*_known_hosts(host, ssh), SYSTEM_KNOWN_HOSTS) if file.is_file())
    return next((file for file in files if "\n@cert-authority" in _found(host, file)), None)


def _lines_of(host: Host, file: Path) -> list[str]:
    keys = [line.split() for line in _found(host, file).splitlines() if line[:1] not in "#@"]
    return [f"{host.known_as} {kind} {key}" for _, kind, key, *_ in keys]


def _found(host: Host, file: Path) -> str:
    """Return what ssh-keygen finds of a host: a comment, and a line below it for each key."""
    argv = ["ssh-keygen", "-F", host.known_as, "-f", str(file)]
    # It ends with 1 where it finds none.
    return subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False).stdout


def _known_hosts(host: Host, ssh: Ssh) -> list[Path]:
    """ssh adds new keys to the first."""
    return [*([ssh.accepted] if ssh.accepted else []), ssh.known_hosts(host)]


def own_keys(home: Path) -> tuple[Path, ...]:
    """Return the caller's own keys where ssh would take those of root instead."""
    if home == Path(pwd.getpwuid(os.geteuid()).pw_dir):
        return ()
    keys = (home / ".ssh" / name for name in OWN_KEYS)
    return tuple(key for key in keys if key.is_file())


def _quoted(path: Path) -> str:
    """As ssh_config(5) has it: words in double quotes, and % begins a token."""
    return '"' + str(path).replace("%", "%%") + '"'


def _root_shell(host: Host) -> tuple[str, ...]:
    return (*_sudo(host), "sh", "-s")


def _sudo(host: Host) -> tuple[str, ...]:
    return ("sudo", "-n") if host.sudo and host.user != "root" else ()


def _marked(script: str, mark: str) -> str:
    """Mark where the script begins and ends among what shells, banners and sudo print.

    The braces are read to the last before anything in them runs, so half a script never does;
    and its commands cannot eat the rest of it.
    """
    begin = f"echo {mark}; echo {mark} >&2\n"
    end = f"\n) </dev/null; status=$?; echo {mark} $status >&2; exit $status; }}\n"
    return f"{begin}{{ ( :\n{script}{end}"


def _read(ssh_status: int, out: str, err: str, mark: str) -> Ended:
    before, began, own_err = err.partition(f"{mark}\n")
    if not began:
        return Ended(ssh_status, False, None, out, before)
    own_err, _, status = own_err.partition(f"{mark} ")
    word = status.partition("\n")[0]
    number = int(word) if word.isdecimal() else None
    return Ended(ssh_status, True, number, out.partition(f"{mark}\n")[2], own_err)


def _too_late(host: Host, mark: str, out: str, err: str, timeout_s: float) -> Failure:
    ended = _read(0, out, err, mark)
    last = (ended.err or ended.out).strip().splitlines()[-1:]
    doing = "the script did not end" if ended.began else "the script did not begin"
    said = "".join((f"{doing} within {timeout_s:g} s", *(f": {line}" for line in last)))
    return too_late(host, said)


def _text(output: str | bytes | None) -> str:
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""
