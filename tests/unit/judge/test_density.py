"""How many pods fit on a node: the platforms' published examples, and what holds for every node."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.cost import CostSettings, Deployment, NodePlatform
from membudget.core.quantities import GIB, MIB
from membudget.judge.density import Density, allocatable, density

PLATFORMS = st.sampled_from(NodePlatform)
DEPLOYMENTS = st.builds(
    Deployment,
    price=st.just(0.004237),
    currency=st.just("$"),
    replicas=st.integers(1, 10_000),
    platform=PLATFORMS,
    node_bytes=st.integers(0, 1 << 40),
    max_pods=st.integers(1, 250),
    daemonset_bytes=st.integers(0, 8 * GIB),
    daemonset_pods=st.integers(0, 20),
)
SMALL_NODE = CostSettings.model_validate({"node": "1GiB"}).deployment


@pytest.mark.parametrize(
    ("platform", "node", "max_pods", "left"),
    [
        (NodePlatform.NONE, 8 * GIB, 110, 8 * GIB),
        (NodePlatform.EKS, 8 * GIB, 29, (8192 - 255 - 11 * 29 - 100) * MIB),
        (NodePlatform.GKE, 4 * GIB, 110, (4096 - 1024 - 100) * MIB),
        (NodePlatform.GKE, 512 * MIB, 110, (512 - 255 - 100) * MIB),
        (NodePlatform.AKS, 8 * GIB, 30, (8192 - 650 - 100) * MIB),
        (NodePlatform.AKS, 4 * GIB, 70, (4096 - 1024 - 100) * MIB),
        (NodePlatform.EKS, 512 * MIB, 110, 0),
    ],
)
def test_platforms_keep_what_they_say(platform: NodePlatform, node: int, max_pods: int, left: int) -> None:
    assert allocatable(node, platform, max_pods) == left


def test_of_a_large_node_gke_keeps_a_smaller_part() -> None:
    """25 % of 4 GiB, 20 % of 4, 10 % of 8, 6 % of 112 and 2 % of 128 are 1 + 0.8 + 0.8 + 6.72 + 2.56 GiB."""
    assert allocatable(256 * GIB, NodePlatform.GKE, 110) == pytest.approx(256 * GIB - 11.88 * GIB - 100 * MIB, abs=10)


@given(st.integers(0, 1 << 40), PLATFORMS, st.integers(1, 250))
def test_a_larger_node_never_has_less_for_pods(node: int, platform: NodePlatform, max_pods: int) -> None:
    node += GIB  # GKE has a rule of its own below
    assert 0 <= allocatable(node, platform, max_pods) <= allocatable(node + MIB, platform, max_pods)


@given(st.integers(1, 1 << 40), DEPLOYMENTS)
def test_the_pods_of_a_node_fit_and_one_more_does_not(pod: int, where: Deployment) -> None:
    placed = density(pod, where)
    assert placed is not None
    assert where.node_bytes is not None
    room = allocatable(where.node_bytes, where.platform, where.max_pods) - where.daemonset_bytes
    fits = placed.pods_a_node
    assert fits == 0 or fits * pod <= room
    assert (fits + 1) * pod > room or fits + 1 + where.daemonset_pods > where.max_pods
    if placed.nodes is not None:
        assert (placed.nodes - 1) * fits < where.replicas <= placed.nodes * fits


def test_without_a_node_nothing_is_placed() -> None:
    assert density(MIB, CostSettings().deployment) is None


def test_a_pod_larger_than_the_node_has_no_place() -> None:
    assert density(2 * GIB, SMALL_NODE) == Density(0, None)


def test_a_pod_without_a_request_is_an_error_of_the_caller() -> None:
    with pytest.raises(ValueError, match="anywhere"):
        density(0, SMALL_NODE)
