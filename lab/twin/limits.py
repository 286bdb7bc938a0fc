"""What does a twin not imitate? The one list, for a stage that refuses what needs it.

A scenario whose cause or effect is in here would be shown wrong, so it is not shown at all.
"""

from collections.abc import Mapping
from types import MappingProxyType

LACKS: Mapping[str, str] = MappingProxyType(
    {
        "nodes": "all pods are processes of one machine: no node can lose its power, be added "
        "or be told from another; n3 to n6 are labels only",
        "network": "everything is on one loopback: there is no way between pods to cut or slow",
        "node-agent": "probes, back-off and termination are followed by one program: there is no "
        "kubelet to stop while its containers go on",
        "eviction": "nothing is drained or evicted, so no disruption budget is ever asked",
        "operator": "the operator's commands of the service run beside it in a pod of their own, "
        "and a twin has no pod to ask from",
        "api-server": "there is no API server, so none can be away, refuse or be asked by kubectl",
        "controllers": "there is one Deployment with RollingUpdate and there are Jobs tried once: "
        "no StatefulSets, hooks of Helm or waves of Argo CD, autoscalers, init containers",
        "images": "a release is code of this installation: nothing is pulled, and nothing can be "
        "missing but the code",
        "resources": "processes share this machine's CPU and memory: no requests, limits, "
        "throttling or OOM kill by a limit",
        "secrets": "no Secret or ConfigMap is mounted: a release's password is a file, which can "
        "be wrong, and nothing else can be missing, wrong or renewed",
        "disks": "PostgreSQL has a directory and no volume that belongs to a node",
    }
)
"""Capability -> why it is not there."""

DIFFERS: Mapping[str, str] = MappingProxyType(
    {
        "kube-proxy": "a change of the endpoints counts for new connections at once; on a cluster "
        "each node learns of it some tenths of a second later",
        "connections": "a connection is accepted before its pod is asked: a pod that refuses is "
        "seen as a reset",
        "addresses": "a pod's address is its port on loopback, which it has from when it "
        "listens, and another one after each restart",
        "scheduling": "a pod starts at once; creation of its sandbox and network takes no time",
        "events": "an event that repeats is told each time with its count; a cluster holds some "
        "of them back",
        "history": "all old ReplicaSets are kept (no revisionHistoryLimit)",
        "deletion cost": "among pods that are alike the newest goes first, by exact times",
    }
)
"""What is imitated, with a difference that may be seen in a figure."""
