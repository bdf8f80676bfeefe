"""What memory costs where the images are deployed: price, replicas, and the nodes that they run on."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from membudget.budgets.fields import LARGEST_SIZE_BYTES, FileModel, SizeBytes
from membudget.budgets.metric_budgets import set_keys
from membudget.core.files import Stored

DEFAULT_PRICE = 0.004237
"""In dollars. Source: the default price of memory of OpenCost (`configs/default.json`: `RAM`)."""
DEFAULT_MOST_PODS = 110
"""Source: https://kubernetes.io/docs/setup/best-practices/cluster-large/"""


class NodePlatform(StrEnum):
    """Whose rule says how much of a node's memory pods can have."""

    EKS = "eks"
    GKE = "gke"
    AKS = "aks"
    NONE = "none"
    """All of it."""


_Price = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
Currency = Annotated[str, StringConstraints(pattern=r"^([A-Z]{3}|[€£¥₹$])$")]
_Replicas = Annotated[int, Field(ge=1, le=1_000_000)]
_Pods = Annotated[int, Field(ge=0, le=10_000)]
_Bytes = Annotated[int, Field(ge=0, le=LARGEST_SIZE_BYTES)]


@dataclass(frozen=True, slots=True)
class Deployment(Stored):
    """Where and how often an image is deployed, and what a GiB of memory costs there for an hour."""

    price: _Price
    currency: Currency
    replicas: _Replicas
    platform: NodePlatform
    node_bytes: _Bytes | None
    max_pods: _Pods
    daemonset_bytes: _Bytes
    daemonset_pods: _Pods


class CostSettings(FileModel):
    """What memory costs where an image is deployed."""

    price: _Price = DEFAULT_PRICE
    """The price of one GiB of memory for one hour. The default is OpenCost's, in dollars."""
    currency: Currency = "$"
    """The currency of the price: a sign such as "$", or a code such as "EUR"."""
    replicas: _Replicas = 1
    """How many pods run."""
    node: SizeBytes | None = None
    """The memory of a node. If absent, the memory of the pods is paid, not that of whole nodes."""
    platform: NodePlatform = NodePlatform.NONE
    """Whose rule says how much of a node's memory pods can have: "eks", "gke", "aks", or "none" for all of it."""
    max_pods: Annotated[_Pods, Field(ge=1)] = DEFAULT_MOST_PODS
    """How many pods a node may run."""
    daemonset_memory: SizeBytes = 0
    """The memory that the pods of daemon sets request on every node, in all."""
    daemonset_pods: _Pods = 0
    """How many pods of daemon sets run on every node."""

    def with_defaults(self, defaults: "CostSettings | None") -> "CostSettings":
        """Return these settings, with those of `[cost]` for everything that they do not set."""
        return self if defaults is None else defaults.model_copy(update=set_keys(self))

    @property
    def deployment(self) -> Deployment:
        """These settings as the report keeps them."""
        return Deployment(
            self.price,
            self.currency,
            self.replicas,
            self.platform,
            self.node,
            self.max_pods,
            self.daemonset_memory,
            self.daemonset_pods,
        )
