"""How long does a cluster wait for a node that falls silent? Scripts that set it, and answers.

An agent tells that it is there by a lease, and by its status. Who was not heard of for the
node-monitor-grace-period is taken for lost, and looked for every node-monitor-period:
https://kubernetes.io/docs/concepts/architecture/nodes/#node-status
For how long a pod then stays bound to the node is said by the pod itself, and not set here.

What is put into a file carries a mark, and what it replaces is kept beside it as a comment. So
taking it back needs no memory, is right a second time, and does nothing to a file that an
upgrade has written anew meanwhile.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

MARK = "lab-clock"
KUBELET_CONFIG = "/var/lib/kubelet/config.yaml"
MANIFEST = "/etc/kubernetes/manifests/kube-controller-manager.yaml"
# Beside the folder of the manifests: kubelet would run whatever appears in it.
WORK = f"/etc/kubernetes/{MARK}.yaml"
# What k3s itself reads, and the directory that it names to its kubelet (--config-dir).
K3S_DROP_IN = f"/etc/rancher/k3s/config.yaml.d/{MARK}.yaml"
K3S_KUBELET_DROP_IN = f"/var/lib/rancher/k3s/agent/etc/kubelet.conf.d/99-{MARK}.conf"
GRACE_FLAG = "--node-monitor-grace-period"
# Computed, and told whether it has changed or not. Both, since the second follows the first only
# where that stands in a file of its own, and no flag has it (kubelet's v1beta1/defaults.go).
STATUS_KEYS = ("nodeStatusUpdateFrequency", "nodeStatusReportFrequency")
# Where the controller manager tells what it runs with, and whom it believes to be an admin.
CONFIGZ = "https://127.0.0.1:10257/configz"
ADMIN_CONFIG = "/etc/kubernetes/admin.conf"
K3S_ADMIN = "/var/lib/rancher/k3s/server/tls/client-admin"
ASK_BOUND_S = 5
# pkg/kubelet/kubelet.go, nodeLeaseRenewIntervalFraction.
RENEWED_BY = 0.25
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")


@dataclass(frozen=True, slots=True)
class Timers:
    """Seconds: until a silent node is taken for lost, and between two reports of a node."""

    node_monitor_grace_s: float
    node_status_report_s: float


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """How often a kubelet is heard of, in seconds: by its status, and by its lease."""

    status_report_s: float
    lease_renew_s: float

    @property
    def every_s(self) -> float:
        return min(self.status_report_s, self.lease_renew_s)


@dataclass(frozen=True, slots=True)
class Monitor:
    """What the controller manager runs with, in seconds."""

    grace_s: float
    period_s: float


def default_grace_s(version: str) -> float:
    """Return what a server of this version does when nobody says otherwise.

    50 s since 1.32, 40 s before: https://github.com/kubernetes/kubernetes/pull/126287
    """
    found = re.match(r"v?(\d+)\.(\d+)", version)
    is_older = found is not None and (int(found[1]), int(found[2])) < (1, 32)
    return 40.0 if is_older else 50.0


DEFAULT_PERIOD_S = 5.0
"""Of --node-monitor-period, k8s.io/cloud-provider config/v1alpha1/defaults.go."""


def shorten_script(distribution: str, timers: Timers, *, is_server: bool, root: str = "") -> str:
    """Return the script that sets the timers on a node and restarts its agent, also a second time.

    Times already set are set anew. `root` stands before every path.
    """
    if distribution == "k3s":
        return _k3s_script(timers, is_server=is_server, root=root)
    lines = _kubeadm_undo(is_server=is_server, root=root)
    for line in _status_lines(timers):
        key = line.partition(":")[0]
        lines += [
            f"sed -i -e 's/^{key}:/#{MARK}#&/' {root}{KUBELET_CONFIG}",
            f"echo '{line} # {MARK}' >> {root}{KUBELET_CONFIG}",
        ]
    if is_server:
        flag = f"{GRACE_FLAG}={timers.node_monitor_grace_s:g}s # {MARK}"
        lines += _rewrite(
            root,
            f"s/^\\( *\\)\\(- {GRACE_FLAG}=\\)/\\1#{MARK}#\\2/",
            f"s/^\\( *\\)- kube-controller-manager$/&\\n\\1- {flag}/",
        )
    return _script(*lines, _restart("kubelet"))


def restore_script(distribution: str, *, is_server: bool, root: str = "") -> str:
    """Return the script that takes it back, and restarts the agent in every case.

    Files that are as they were do not say that what runs has read them since.
    """
    if distribution == "k3s":
        files = f"{root}{K3S_KUBELET_DROP_IN} {root}{K3S_DROP_IN}"
        return _script(f"rm -f {files}", _restart("k3s" if is_server else "k3s-agent"))
    return _script(*_kubeadm_undo(is_server=is_server, root=root), _restart("kubelet"))


def _kubeadm_undo(*, is_server: bool, root: str) -> list[str]:
    undo = (f"/# {MARK}$/d", f"s/^\\( *\\)#{MARK}#/\\1/")
    edit = " ".join(f"-e '{each}'" for each in undo)
    lines = [f"sed -i {edit} {root}{KUBELET_CONFIG}"]
    if is_server:
        lines += _rewrite(root, *undo)
    return lines


def _k3s_script(timers: Timers, *, is_server: bool, root: str) -> str:
    """By files of their own: https://docs.k3s.io/installation/configuration#multiple-config-files

    The + appends to the arguments that config.yaml has.
    """
    head = ("apiVersion: kubelet.config.k8s.io/v1beta1", "kind: KubeletConfiguration")
    lines = _write(f"{root}{K3S_KUBELET_DROP_IN}", *head, *_status_lines(timers))
    if is_server:
        grace = f"{GRACE_FLAG.removeprefix('--')}={timers.node_monitor_grace_s:g}s"
        argument = f"kube-controller-manager-arg+: {json.dumps([grace])}"
        lines += _write(f"{root}{K3S_DROP_IN}", argument)
    return _script("umask 077", *lines, _restart("k3s" if is_server else "k3s-agent"))


def _status_lines(timers: Timers) -> list[str]:
    return [f"{key}: {timers.node_status_report_s:g}s" for key in STATUS_KEYS]


def _write(file: str, *lines: str) -> list[str]:
    """Write a file in one step; what is being written has no name that anybody reads."""
    text = "\n".join(lines)
    return [
        f"mkdir -p {file.rpartition('/')[0]}",
        f"cat > {file}.new <<'END'\n{text}\nEND",
        f"mv {file}.new {file}",
    ]


def _rewrite(root: str, *edits: str) -> list[str]:
    """Change the manifest in one step; kubelet starts the server anew when it is another."""
    work, manifest = f"{root}{WORK}", f"{root}{MANIFEST}"
    edit = " ".join(f"-e '{each}'" for each in edits)
    return [
        f"cp -p {manifest} {work}",
        f"sed -i {edit} {work}",
        f"if cmp -s {work} {manifest}; then rm {work}; else mv {work} {manifest}; fi",
    ]


def _script(*lines: str) -> str:
    return "\n".join(("set -eu", *lines, ""))


def _restart(unit: str) -> str:
    # Whether it came back is seen in the cluster; systemd would wait without a bound.
    return f"systemctl restart --no-block {unit}"


def ask_script(distribution: str) -> str:
    """Return the script that asks a server's controller manager what it runs with.

    It prints the answer on one line and, where the program stands alone, its flag.
    """
    if distribution == "k3s":
        return _ask_as(f"{K3S_ADMIN}.crt", f"{K3S_ADMIN}.key")
    # kubeadm leaves an admin's certificate and key nowhere but in a kubeconfig.
    return f"""\
umask 077
own=$(mktemp -d /run/{MARK}.XXXXXX)
trap 'rm -rf "$own"' EXIT
for each in certificate key; do
    sed -n "s/^ *client-$each-data: //p" {ADMIN_CONFIG} | base64 -d > "$own/$each"
done
""" + _ask_as('"$own/certificate"', '"$own/key"')


def _ask_as(certificate: str, key: str) -> str:
    return f"""\
curl -sk --max-time {ASK_BOUND_S} --cert {certificate} --key {key} {CONFIGZ} | tr -d '\\n'
echo
for each in /proc/[0-9]*/cmdline; do
    {{ tr '\\0' '\\n' < "$each"; }} 2> /dev/null |
        sed -n -e '1{{/kube-controller-manager$/!q' -e '}}' -e '/^{GRACE_FLAG}=/p'
done
true
"""


def read_monitor(said: str) -> Monitor | None:
    """Return what the controller manager says of itself; None when it says nothing of it."""
    first, _, rest = said.partition("\n")
    told = dict(_fields(_json(first)))
    flags = [line.partition("=")[2] for line in rest.splitlines() if line.startswith(GRACE_FLAG)]
    grace = told.get("nodemonitorgraceperiod") or (flags[-1].strip() if flags else None)
    if grace is None:
        return None
    period = told.get("nodemonitorperiod")
    return Monitor(seconds(str(grace)), seconds(str(period)) if period else DEFAULT_PERIOD_S)


def read_heartbeat(configz: dict[str, Any]) -> Heartbeat:
    """Read a kubelet's configz. Raises ValueError when it does not say."""
    told = dict(_fields(configz))
    try:
        return Heartbeat(
            status_report_s=seconds(told["nodestatusreportfrequency"]),
            lease_renew_s=RENEWED_BY * float(told["nodeleasedurationseconds"]),
        )
    except KeyError as exc:
        raise ValueError(f"the kubelet does not tell {exc}") from exc


def seconds(text: str) -> float:
    """Read a duration as Go writes it, as 1m40s. Raises ValueError."""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration")
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _fields(told: Any) -> Iterator[tuple[str, Any]]:
    """Yield every field at any depth, in lower case: Go writes some as they are declared."""
    if isinstance(told, dict):
        for key, value in told.items():
            yield str(key).lower(), value
            yield from _fields(value)
