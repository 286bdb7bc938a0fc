"""What a way of making a cluster must offer."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lab.artifacts.k3s import K3sChoice
from lab.artifacts.recipe import Recipe
from lab.artifacts.uploads import Upload
from lab.errors import InvalidValue
from lab.machines.topology import Node
from lab.provision.child import Phase
from lab.provision.phases import Parcel


@dataclass(frozen=True, slots=True)
class Settings:
    """What is the same for all nodes of one cluster."""

    cluster_name: str
    version: str
    images_key: str
    cgroup_driver: str


@dataclass(frozen=True, slots=True)
class Ground:
    """What there is to know where the nodes are machines of an inventory.

    `owner` is the mark that they get, "ID NAME" of the lab; `uploads` what they get, by the
    names of `Distribution.host_uploads`. `wait_s` is how long one step may take on a host that
    is slow, where that is longer than usual.
    """

    owner: str
    uploads: Mapping[str, Upload]
    wait_s: float = 0


Outputs = Mapping[str, str]
"""All that others need to join: what was read from the server that was asked, its address as
`server_address`, and the secrets."""


class Distribution(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str:
        """Return the kubelet version that its nodes report."""
        ...

    @property
    def coredns_image(self) -> str:
        """Return the image of lab's CoreDNS, or nothing where the distribution brings its own."""
        ...

    @property
    def probe_image(self) -> str: ...

    def recipes(self) -> tuple[Recipe, ...]:
        """Return the artifacts its nodes are made from."""
        ...

    def host_recipes(self) -> tuple[Recipe, ...]:
        """Return the artifacts that machines of an inventory get something of."""
        ...

    def host_uploads(self) -> Mapping[str, tuple[str, tuple[str, ...]]]:
        """Return name → the artifact it is of, and the files of it; none for all."""
        ...

    def parcels(self, node: Node) -> tuple[Parcel, ...]:
        """Return what is sent to a machine of an inventory, bound to its `Ground`."""
        ...

    def layers(self, trees: Mapping[str, Path]) -> tuple[Path, ...]:
        """Choose from artifact name → tree the layers below a node's disk, topmost first."""
        ...

    @property
    def keeps_one_free(self) -> bool:
        """Whether one of several nodes, the home, runs nothing that does not ask for it."""
        ...

    @property
    def keeps_secrets(self) -> bool:
        """Whether its secrets are the cluster's for good, and not just for one try to join."""
        ...

    @property
    def upgrades(self) -> bool:
        """Whether a lab of an older version can be brought to this one."""
        ...

    @property
    def admits_by_token(self) -> bool:
        """Whether nodes are admitted by a bootstrap token, which the API has to know."""
        ...

    def bind(self, artifacts: Mapping[str, str], ground: Ground | None = None) -> "Distribution":
        """Return it with what it has to know of the built artifacts, paths by name.

        `ground` is given for machines of an inventory.
        """
        ...

    def make_secrets(self) -> dict[str, str]: ...

    def start_phase(
        self,
        nodes: tuple[Node, ...],
        settings: Settings,
        *,
        secrets: Mapping[str, str],
        new: tuple[Node, ...],
        server: Node,
    ) -> Phase:
        """Return the phase that prepares the `new` nodes and asks `server`.

        If that is new, too, it makes the cluster: there must be none then. `admin_kubeconfig`,
        `ca` and what joining needs are read from it in any case.
        """
        ...

    def join_server_phase(self, server: Node, nodes: tuple[Node, ...], outputs: Outputs) -> Phase:
        """Return the phase that makes one more server; there is never more than one at a time.

        etcd takes one learner at a time, etcd.io/docs/latest/learning/design-learner.
        """
        ...

    def join_phase(
        self, agents: tuple[Node, ...], nodes: tuple[Node, ...], outputs: Outputs
    ) -> Phase: ...

    def know_phase(self, nodes: tuple[Node, ...], all_nodes: tuple[Node, ...]) -> Phase | None:
        """Return the phase that tells `nodes` which servers there are, if they must be told.

        `all_nodes` are those of the lab, without one that is leaving.
        """
        ...

    def upgrade_phase(self, node: Node, artifacts: Mapping[str, str], *, first: bool) -> Phase:
        """Return the phase that brings a node to `version`; `first` is the first server of all.

        `artifacts` are paths in the cache by name; nodes see it read-only at nspawn.STORE.
        """
        ...

    def uninstall_script(self, *, owner: str) -> str:
        """Return the shell script that takes all off a machine of an inventory, run as root.

        It needs no artifact, so that it can be made when they are gone; it does nothing where
        the mark is not `owner`'s.
        """
        ...

    def leave_phase(self, node: Node) -> Phase:
        """Return the phase after which the cluster's store no longer counts on the node."""
        ...


NAMES = ("k3s", "kubeadm")


def choose(name: str, k3s: K3sChoice | None = None, *, adopt: bool = False) -> Distribution:
    """Return the distribution of that name; `k3s` says where its release comes from.

    `adopt` lets it take a k3s over that lab did not put on a machine.
    """
    from lab.provision.k3s_phases import K3s
    from lab.provision.kubeadm_phases import Kubeadm

    if name == "kubeadm":
        return Kubeadm()
    if name == "k3s":
        return K3s(k3s or K3sChoice(), adopt=adopt)
    raise InvalidValue(
        f"--distribution is {name!r}, but lab knows only {', '.join(NAMES)}",
        hint="lab up --distribution kubeadm",
    )
