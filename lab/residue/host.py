"""What is the state of this host now?"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from lab.errors import LabError
from lab.paths import Paths, find_paths
from lab.residue import files, kernel, network, processes
from lab.residue.fingerprint import Facts, Fingerprint, Kind

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# Four wait for programs at the same time.
_THREADS = 5


def take_fingerprint(*, paths: Paths | None = None) -> Fingerprint:
    """Look at everything a lab could leave behind; changes nothing, needs root to see all."""
    own = paths or find_paths()
    places = tuple(str(place) for place in (own.cache, own.data, own.state))
    with ThreadPoolExecutor(_THREADS) as pool:
        readings = {kind: pool.submit(read) for kind, read in _readers(own).items()}
    return _gather(_BOOT_ID.read_text().strip(), places, readings)


def _readers(own: Paths) -> Mapping[Kind, Callable[[], Facts]]:
    """Return how each kind is read, those that wait for a program first."""
    # A build that another command runs in the cache is no process of a lab.
    labs = (str(own.data), str(own.state))
    return {
        Kind.RULES: network.read_rules,
        Kind.LINK: network.read_links,
        Kind.ADDRESS: network.read_addresses,
        Kind.ROUTE: network.read_routes,
        Kind.UNIT: processes.read_units,
        Kind.NETNS: network.read_namespaces,
        Kind.SOCKET: network.read_sockets,
        Kind.MOUNT: kernel.read_mounts,
        Kind.CGROUP: kernel.read_cgroups,
        Kind.SYSCTL: kernel.read_sysctls,
        Kind.MODULE: kernel.read_modules,
        Kind.USER: files.read_users,
        Kind.GROUP: files.read_groups,
        Kind.ETC: files.read_etc,
        Kind.MACHINE: files.read_machines,
        Kind.IMAGE: files.read_images,
        Kind.TEMPORARY: files.read_temporary,
        Kind.PROCESS: partial(processes.read_processes, labs),
    }


def _gather(
    boot: str, places: tuple[str, ...], readings: Mapping[Kind, Future[Facts]]
) -> Fingerprint:
    facts: dict[Kind, Facts] = {}
    unread: dict[Kind, str] = {}
    for kind, reading in readings.items():
        try:
            facts[kind] = reading.result()
        except LabError as exc:
            unread[kind] = exc.message
        except Exception as exc:
            # What cannot be read or understood is told; it must not end what it watches.
            unread[kind] = f"{type(exc).__name__}: {exc}"
    return Fingerprint(boot, places, facts, unread)
