"""What memory costs: cases worked by hand, to the cent. A GiB costs 0.004237 × 730 = 3.09301 a month."""

from decimal import Decimal

import pytest

from membudget.budgets.cost import CostSettings
from membudget.core.quantities import MIB
from membudget.judge.cost import costs, image_costs
from membudget.judge.density import Density
from tests.support.builders import image

NONE: dict[str, object] = {"node": "8GiB"}
EKS: dict[str, object] = {"node": "8GiB", "platform": "eks", "max_pods": 29}
"""8192 - (255 + 11 × 29) - 100 = 7518 MiB are left for pods."""
GKE: dict[str, object] = {"node": "16GiB", "platform": "gke"}
"""16384 - 2662.4 (1 + 0.8 + 0.8 GiB) - 100 = 13621.6 MiB are left for pods."""
AKS: dict[str, object] = {"node": "8GiB", "platform": "aks", "max_pods": 30}
"""8192 - 650 - 100 = 7442 MiB are left for pods."""


@pytest.mark.parametrize(
    ("settings", "replicas", "pod_mib", "placed", "month"),
    [
        ({}, 1, 512, None, "1.55"),  # 0.5 * 3.09301
        ({}, 3, 256, None, "2.32"),  # 0.75 * 3.09301
        (NONE, 8, 1024, Density(8, 1), "24.74"),  # 8 * 3.09301
        (NONE, 9, 1024, Density(8, 2), "49.49"),  # one replica more: 16 * 3.09301
        (EKS, 28, 512, Density(14, 2), "49.49"),
        (EKS, 28, 540, Density(13, 3), "74.23"),  # 28 MiB more a pod: 24 * 3.09301
        (GKE, 26, 1000, Density(13, 2), "98.98"),  # 32 * 3.09301
        ({**GKE, "daemonset_memory": "700MiB"}, 26, 1000, Density(12, 3), "148.46"),  # 12921.6 MiB: 48 * 3.09301
        (AKS, 24, 300, Density(24, 1), "24.74"),
        (AKS, 24, 311, Density(23, 2), "49.49"),
        ({"node": "4GiB", "platform": "aks"}, 100, 64, Density(46, 3), "37.12"),  # 4096 - 1024 - 100: 12 * 3.09301
        ({**GKE, "max_pods": 20, "daemonset_pods": 5}, 30, 64, Density(15, 2), "98.98"),
        ({**NONE, "price": 0.005}, 8, 1024, Density(8, 1), "29.20"),  # 8 * 3.65
        ({"node": "1GiB"}, 1, 2048, Density(0, None), None),
    ],
)
def test_costs_are_those_worked_by_hand(
    settings: dict[str, object], replicas: int, pod_mib: int, placed: Density | None, month: str | None
) -> None:
    where = CostSettings.model_validate({**settings, "replicas": replicas}).deployment
    found = costs(pod_mib * MIB, where)
    assert found.placed == placed
    assert found.month == (Decimal(month) if month is not None else None)


def test_energy_is_that_of_the_paid_memory() -> None:
    """8 GiB are 8.589934592 GB: * 730 h × 0.000392 kWh × 1.135 = 2.79 kWh."""
    assert costs(512 * MIB, CostSettings.model_validate({**EKS, "replicas": 14}).deployment).kwh == Decimal("2.79")


def test_without_settings_there_are_no_costs() -> None:
    assert image_costs(image()) is None
