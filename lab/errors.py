"""Everything lab can fail with, and the exit code of each.

    LabError                    4   lab could not do its work
    ├── BadInput                2   what the user typed or wrote cannot be right
    │   ├── InvalidValue            an option or a file holds a value that is not allowed
    │   ├── NoSuchLab               no lab of that name
    │   ├── NoSuchNode              the lab has no node of that name
    │   ├── NoSuchScenario          no scenario of that name
    │   ├── ScenarioInvalid         a scenario file has mistakes; all of them are told
    │   └── NoSuchRun               no stored run of that name
    ├── HostUnfit               4   this host cannot do it as it is
    │   ├── NotRoot                 the command changes the host and runs without root
    │   ├── ToolMissing             a program of the host is not installed
    │   ├── PortTaken               another program listens where lab was to listen
    │   └── NoSpace                 a file system is full, or too small to begin
    ├── ArtifactError           4
    │   ├── BuildFailed             a program or the node root could not be built
    │   ├── ArtifactCorrupt         a cached file is not what was put there
    │   └── BundleInvalid           an exported bundle cannot be imported
    ├── MachineError            4
    │   ├── NodeDidNotBoot          no sshd within the bound
    │   ├── NodeUnreachable         a node that should answer does not
    │   └── CommandFailed           a command on a node or on the host ended with an error
    ├── ProvisionFailed         4   a pyinfra operation failed, or its child did
    ├── ClusterError            4
    │   ├── ClusterUnreachable      the API server does not answer
    │   ├── NotReady                the cluster did not become ready within the bound
    │   ├── RequestRefused          the API server answered with an error
    │   └── NotOurCluster           the cluster is not the one this lab made
    ├── ServiceError            4
    │   ├── ServiceNotDeployed      the lab has no sample service
    │   ├── ServiceNotReady         database or service did not become ready within the bound
    │   ├── DatabaseRefused         PostgreSQL answered with an error
    │   └── ObserverLost            the observer does not answer, or is not the one that began
    ├── TwinFailed              4   the processes of a twin ended, or do not answer
    ├── HistoryDamaged          4   a stored history cannot be read to its end
    ├── LabBusy                 4   another command changes this lab now
    ├── ResidueFound            4   something of a lab is still on the host
    └── Interrupted             130

A message says what failed, on what, with the value, in lower case and without
a final full stop; a hint is the next command to type. `lab.cli` maps both to
text and exit code, in one place.
"""

import errno
import os

EXIT_NOT_AS_PREDICTED = 1
EXIT_USAGE = 2
EXIT_INVALID = 3
EXIT_FAILED = 4
EXIT_BUG = 70
EXIT_INTERRUPTED = 130


class LabError(Exception):
    """A failure lab knows about: `message`, an optional `hint`, an exit code."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class BadInput(LabError):
    exit_code = EXIT_USAGE


class InvalidValue(BadInput):
    pass


class NoSuchLab(BadInput):
    pass


class NoSuchNode(BadInput):
    pass


class NoSuchScenario(BadInput):
    pass


class ScenarioInvalid(BadInput):
    """All `mistakes` of a scenario file, one a line of the message."""

    def __init__(self, message: str, *, mistakes: tuple[str, ...], hint: str | None = None) -> None:
        super().__init__("\n".join((message, *(f"  {each}" for each in mistakes))), hint=hint)
        self.mistakes = mistakes


class NoSuchRun(BadInput):
    pass


class HostUnfit(LabError):
    pass


class NotRoot(HostUnfit):
    pass


class ToolMissing(HostUnfit):
    pass


class PortTaken(HostUnfit):
    pass


class NoSpace(HostUnfit):
    pass


class ArtifactError(LabError):
    pass


class BuildFailed(ArtifactError):
    pass


class ArtifactCorrupt(ArtifactError):
    pass


class BundleInvalid(ArtifactError):
    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint or "make a bundle with lab artifacts export")


class MachineError(LabError):
    pass


class NodeDidNotBoot(MachineError):
    pass


class NodeUnreachable(MachineError):
    pass


class CommandFailed(MachineError):
    pass


class ProvisionFailed(LabError):
    pass


class ClusterError(LabError):
    pass


class ClusterUnreachable(ClusterError):
    pass


class NotReady(ClusterError):
    pass


class RequestRefused(ClusterError):
    """The API server's own words; `status` is its HTTP status."""

    def __init__(self, message: str, *, status: int, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class NotOurCluster(ClusterError):
    pass


class ServiceError(LabError):
    pass


class ServiceNotDeployed(ServiceError):
    pass


class ServiceNotReady(ServiceError):
    pass


class DatabaseRefused(ServiceError):
    """PostgreSQL's own words; `sqlstate` is its code, where it gave one."""

    def __init__(self, message: str, *, sqlstate: str = "", hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.sqlstate = sqlstate


class ObserverLost(ServiceError):
    pass


class TwinFailed(LabError):
    pass


class HistoryDamaged(LabError):
    pass


class LabBusy(LabError):
    pass


class ResidueFound(LabError):
    pass


class Interrupted(LabError):
    exit_code = EXIT_INTERRUPTED


def explain(error: OSError) -> HostUnfit | None:
    """Return what is wrong with the host when that is why `error` came, else None: a bug."""
    where = f" for {error.filename}" if error.filename else ""
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return NoSpace(f"no space left{where}", hint="df -h; lab artifacts prune")
        case errno.EACCES | errno.EPERM:
            return HostUnfit(f"permission denied{where}", hint="run the same with sudo")
        case errno.EROFS:
            return HostUnfit(f"read-only file system{where}", hint="lab doctor")
        case errno.ENOTDIR | errno.EISDIR | errno.ELOOP:
            said = os.strerror(error.errno).lower()
            return HostUnfit(f"{said}{where}", hint=f"ls -ld {error.filename or '.'}")
    return None
