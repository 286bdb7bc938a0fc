"""Load a pyinfra inventory file: which machines are meant, as ssh and the resolver see them.

The file is the user's program. It runs in a process of its own, as the user who called and with
a bound, so that it can neither change this process nor act as root where lab runs through sudo.
"""

import json
import os
import pwd
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.content import folder
from lab.errors import CommandFailed, HostUnfit, InvalidValue
from lab.machines.commands import run
from lab.machines.inventory import (
    Entry,
    Group,
    Host,
    Network,
    find_entries,
    parse_address,
)
from lab.machines.inventory_checks import check_entries, check_hosts, usable_entries
from lab.paths import Caller

READ_BOUND_S = 10.0
LOOK_UP_BOUND_S = 5.0
# Where it really is: who has installed lab has no checkout to look it up in.
EXAMPLE = f"{folder('inventories') / 'my_hosts.py'} is an example to be copied"


def load(
    file: Path,
    *,
    caller: Caller,
    pods: Network,
    services: Network,
    node_nets: tuple[Network, ...] = (),
    timeout_s: float = READ_BOUND_S,
) -> tuple[Host, ...]:
    """Return the hosts of an inventory file, servers first, when all is well with them.

    Nothing is sent to them. Raises InvalidValue with every problem, one a line, or with file
    and line for a file that cannot be run to its end within `timeout_s`; HostUnfit where the caller
    may not run this Python.
    """
    groups, problems = _run(file, caller, timeout_s)
    entries = find_entries(groups)
    problems += check_entries(entries, groups)
    hosts, of_places = _look_up(usable_entries(entries), caller)
    problems += of_places
    problems += check_hosts(hosts, pods=pods, services=services, node_nets=node_nets)
    if not problems:
        return hosts
    count = f"{len(problems)} problems" if len(problems) > 1 else "a problem"
    lines = (f"{file} has {count}; nothing was changed", *(f"  {each}" for each in problems))
    raise InvalidValue("\n".join(lines), hint=EXAMPLE)


def _run(file: Path, caller: Caller, timeout_s: float) -> tuple[dict[str, Group], list[str]]:
    if not file.is_file():
        raise InvalidValue(f"there is no inventory file {file}", hint=EXAMPLE)
    answer = _answer(file, caller, timeout_s)
    if "error" in answer:
        line, message = answer["error"]["line"], answer["error"]["message"]
        place = f"{file}, line {line}" if line else f"{file}"
        raise InvalidValue(f"{place}: {message}", hint=EXAMPLE)
    groups = {
        name: Group(tuple((host, data) for host, data in group["hosts"]), group["data"])
        for name, group in answer["groups"].items()
    }
    return groups, answer["problems"]


def _answer(file: Path, caller: Caller, timeout_s: float) -> dict[str, Any]:
    argv = [sys.executable, "-P", "-m", "lab.machines.inventory_reader", str(file)]
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            env={**os.environ, "HOME": str(caller.home), "PYTHONDONTWRITEBYTECODE": "1"},
            check=False,
            **_as(caller),
        )
    except PermissionError as exc:
        raise HostUnfit(
            f"{file} runs as who called, and {_name(caller)} may not run {exc.filename}",
            hint="sudo -i, and then the same",
        ) from exc
    except subprocess.TimeoutExpired:
        raise InvalidValue(
            f"{file} did not run to its end within {timeout_s:g} s", hint=f"python3 {file}"
        ) from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except json.JSONDecodeError:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise InvalidValue(
            f"{file} ended its process, status {done.returncode}: {said}", hint=f"python3 {file}"
        ) from None
    return answer


def _as(caller: Caller) -> dict[str, Any]:
    """Return whom the file runs as: nobody with more rights than who wrote the command."""
    if os.geteuid() != 0 or caller.uid == 0:
        return {}
    groups = os.getgrouplist(_name(caller), caller.gid)
    return {"user": caller.uid, "group": caller.gid, "extra_groups": groups}


def _name(caller: Caller) -> str:
    return pwd.getpwuid(caller.uid).pw_name


@dataclass(frozen=True, slots=True)
class _Found:
    """What ssh and the resolver say of an entry."""

    user: str = ""
    port: int = 0
    known_as: str = ""
    address: str = ""
    problem: str = ""


def _look_up(entries: tuple[Entry, ...], caller: Caller) -> tuple[tuple[Host, ...], list[str]]:
    found = _find_all(entries, caller)
    hosts, problems = [], []
    for entry in entries:
        host = _host(entry, found.get(entry.name), caller)
        hosts.append(host)
        told = found.get(entry.name) or _Found(
            problem=f"{entry.hostname!r} could not be looked up within {LOOK_UP_BOUND_S:g} s"
        )
        problems += [f"{entry.name}: {told.problem}"] if told.problem else []
        problems += [f"{entry.name}: {each}" for each in _of_files(host)]
    return tuple(hosts), problems


def _host(entry: Entry, found: _Found | None, caller: Caller) -> Host:
    found = found or _Found()
    return Host(
        name=entry.name,
        address=found.address,
        user=found.user or entry.user or "root",
        port=found.port or entry.port or 22,
        key=_path(entry, "ssh_key", caller),
        known_hosts=_path(entry, "ssh_known_hosts_file", caller),
        is_server=entry.is_server,
        sudo=bool(entry.data.get("_sudo")),
        data=dict(entry.data),
        hostname=entry.hostname,
        known_as=found.known_as,
        config=_path(entry, "ssh_config_file", caller),
    )


def _path(entry: Entry, key: str, caller: Caller) -> Path | None:
    value = entry.data.get(key)
    if not value:
        return None
    home, own = str(caller.home), str(value)
    return Path(home + own[1:] if own == "~" or own.startswith("~/") else own).absolute()


def _of_files(host: Host) -> list[str]:
    problems = []
    for what, file in (("known_hosts", host.known_hosts), ("ssh_config", host.config)):
        # Inventories also name /dev/null, to have none.
        if file is not None and not file.is_file() and not file.is_char_device():
            problems.append(f"there is no {what} file {file}")
    if host.key is not None:
        problems += _of_key(host.key)
    return problems


def _of_key(key: Path) -> list[str]:
    """ssh refuses a key that others can read (sshkey_perm_ok in its authfile.c)."""
    try:
        mode = key.stat().st_mode
    except OSError as exc:
        return [f"key {key} cannot be used: {(exc.strerror or 'no such file').lower()}"]
    if not stat.S_ISREG(mode):
        return [f"key {key} is no regular file"]
    if mode & 0o077:
        return [f"key {key} can be read by others (mode {mode & 0o777:04o}): chmod 600 {key}"]
    return []


def _find_all(entries: tuple[Entry, ...], caller: Caller) -> Mapping[str, _Found]:
    """Look all up at once, in threads, since the resolver cannot be given a bound."""
    found: dict[str, _Found] = {}

    def find(entry: Entry) -> None:
        # What ssh refuses to read is told of the host, and so are all others' problems.
        try:
            found[entry.name] = _find(entry, caller)
        except CommandFailed as exc:
            found[entry.name] = _Found(problem=exc.message)

    threads = [threading.Thread(target=find, args=(entry,), daemon=True) for entry in entries]
    deadline = time.monotonic() + LOOK_UP_BOUND_S
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(found)


def _find(entry: Entry, caller: Caller) -> _Found:
    """Ask ssh where it would go: names and users are often those of its own configuration."""
    wanted = [
        *(("-l", entry.user) if entry.user else ()),
        *(("-p", str(entry.port)) if entry.port else ()),
    ]
    config = config_of(_path(entry, "ssh_config_file", caller), caller.home)
    shown = run(
        ["ssh", "-G", "-F", str(config), *wanted, "--", entry.hostname],
        timeout_s=LOOK_UP_BOUND_S,
    )
    told = dict(line.split(" ", 1) for line in shown.splitlines() if " " in line)
    given = str(entry.data.get("address") or "")
    address, problem = (given, "") if given else _resolve(told["hostname"])
    if given and parse_address(given) is None:
        problem = f"address {given!r} is not an IP address"
    return _Found(told["user"], int(told["port"]), _known_as(told), address, problem)


def _known_as(told: Mapping[str, str]) -> str:
    """Return the name that known_hosts has for a host (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    if "hostkeyalias" in told:
        return told["hostkeyalias"]
    return told["hostname"] if told["port"] == "22" else f"[{told['hostname']}]:{told['port']}"


def config_of(given: Path | None, home: Path) -> Path:
    """Return the configuration ssh is to read; the caller's, also where root calls ssh."""
    own = home / ".ssh/config"
    return given or (own if own.is_file() else Path(os.devnull))


def _resolve(hostname: str) -> tuple[str, str]:
    """Return an address, of IPv4 where there is one, and what is wrong if there is none."""
    problem = f"{hostname!r} cannot be resolved; give an address as ssh_hostname, or as `address`"
    try:
        answers = socket.getaddrinfo(hostname, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return "", problem
    ranked = sorted(answers, key=lambda answer: answer[0] != socket.AF_INET)
    return str(ranked[0][4][0]), ""
