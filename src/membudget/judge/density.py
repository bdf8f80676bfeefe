"""How many pods of a size fit on a node, and how many nodes the replicas need."""

from dataclasses import dataclass

from membudget.budgets.cost import Deployment, NodePlatform
from membudget.core.quantities import GIB, MIB

_EVICTION_BYTES = 100 * MIB
"""The kubelet evicts pods when less is available. Source: https://kubernetes.io/docs/concepts/scheduling-eviction/"""


@dataclass(frozen=True, slots=True)
class Density:
    """How pods of one size are placed."""

    pods_a_node: int
    """0 if a pod is larger than what a node has for it."""
    nodes: int | None
    """None if no pod fits on a node."""


def allocatable(node_bytes: int, platform: NodePlatform, max_pods: int) -> int:
    """Return the bytes of a node that pods can have by the platform's published rule. 0 if there are none.

    Sources: the `bootstrap.sh` of amazon-eks-ami (EKS); "Plan node sizes" in the documentation of GKE; "Node resource
    reservations" in the documentation of AKS, as of version 1.29. All of them also keep 100 MiB for the eviction of
    pods.
    """
    if platform is NodePlatform.NONE:
        return node_bytes
    return max(0, node_bytes - _reserved(node_bytes, platform, max_pods) - _EVICTION_BYTES)


def _reserved(node_bytes: int, platform: NodePlatform, max_pods: int) -> int:
    match platform:
        case NodePlatform.EKS:
            return (255 + 11 * max_pods) * MIB
        case NodePlatform.AKS:
            return min((50 + 20 * max_pods) * MIB, node_bytes // 4)
        case _:
            return _reserved_by_gke(node_bytes)


_GKE_PARTS = ((4, 25), (4, 20), (8, 10), (112, 6))
"""The percentage that GKE reserves of each part of a node's memory, by the part's size in GiB. Of the rest, 2 %."""
_GKE_OF_THE_REST = 2
_GKE_SMALL_NODE = 255 * MIB
"""What GKE reserves of a node with less than 1 GiB."""


def _reserved_by_gke(node_bytes: int) -> int:
    if node_bytes < GIB:
        return _GKE_SMALL_NODE
    left, reserved = node_bytes, 0
    for size_gib, percent in _GKE_PARTS:
        part = min(left, size_gib * GIB)
        reserved += part * percent // 100
        left -= part
    return reserved + left * _GKE_OF_THE_REST // 100


def density(pod_bytes: int, where: Deployment) -> Density | None:
    """Return how pods that request `pod_bytes` are placed. None if no node is known. Raises ValueError below 1."""
    if pod_bytes < 1:
        raise ValueError("a pod that requests nothing can be placed anywhere")
    if where.node_bytes is None:
        return None
    room = allocatable(where.node_bytes, where.platform, where.max_pods) - where.daemonset_bytes
    pods = min(max(0, room) // pod_bytes, max(0, where.max_pods - where.daemonset_pods))
    return Density(pods, -(-where.replicas // pods) if pods else None)
