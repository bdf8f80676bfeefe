"""Memory as Kubernetes manifests, compose files and ECS task definitions write it, in bytes.

Sources: Kubernetes, apimachinery/pkg/api/resource/quantity.go (fractions of a byte are rounded up); docker/go-units,
`RAMInBytes` (every unit is a power of 1024); AWS, "Task definition parameters" (MiB, or GB in a task's own memory).
"""

import re
from fractions import Fraction

from membudget.core.quantities import GIB, MIB

MOST_BYTES = 2**63 - 1
"""The largest quantity that Kubernetes holds."""
_LONGEST = 40
_NUMBER = r"([+-]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30}))"
_KUBERNETES = re.compile(rf"{_NUMBER}([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d{{1,2}})?", re.ASCII)
_COMPOSE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?([kmgtp]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
_ECS = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*(GB)?", re.ASCII | re.IGNORECASE)
_POWERS = "kmgtpe"
_PARTS = {"n": 10**9, "u": 10**6, "m": 1000}


class InvalidQuantity(ValueError):
    """A text is no amount of memory. The message says why."""


def kubernetes_bytes(text: str) -> int:
    """Return the bytes of a quantity such as "128Mi", "1.5e9" or "128974848000m". Raises InvalidQuantity."""
    return _possible(_quantity(text))


def thousandths_of_cpus(text: str) -> int:
    """Return the thousandths of a CPU of a quantity such as "500m" or "1.5", rounded up. Raises InvalidQuantity."""
    return _possible(_quantity(text) * 1000)


def _quantity(text: str) -> Fraction:
    matched = _KUBERNETES.fullmatch(text) if len(text) <= _LONGEST else None
    if matched is None:
        raise InvalidQuantity("it is no quantity of Kubernetes: a number, alone or with a unit such as Mi, Gi, M or G")
    number, unit = Fraction(matched[1]), matched[2] or ""
    if unit.endswith("i"):
        number *= 1024 ** (_POWERS.index(unit[0].lower()) + 1)
    elif unit in _PARTS:
        number /= _PARTS[unit]
    elif len(unit) > 1:
        number *= Fraction(10) ** int(unit[1:])
    elif unit:
        number *= 1000 ** (_POWERS.index(unit.lower()) + 1)
    return number


def compose_bytes(text: str) -> int:
    """Return the bytes of a compose size such as "512m". Raises InvalidQuantity."""
    matched = _COMPOSE.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if matched is None:
        raise InvalidQuantity("it is no size of a compose file: a number, alone or with a unit such as m or g")
    unit = matched[2].lower()
    return _possible(Fraction(matched[1]) * 1024 ** (_POWERS.index(unit) + 1 if unit else 0))


def ecs_bytes(text: str) -> int:
    """Return the bytes of an ECS memory: MiB, or "2 GB" for a task. Raises InvalidQuantity."""
    matched = _ECS.fullmatch(text.strip()) if len(text) <= _LONGEST else None
    if matched is None:
        raise InvalidQuantity('it is no memory of ECS: a number of MiB, or such as "2 GB" for a task')
    return _possible(Fraction(matched[1]) * (GIB if matched[2] else MIB))


def _possible(size: Fraction) -> int:
    if size < 0:
        raise InvalidQuantity("it is negative")
    if size > MOST_BYTES:
        raise InvalidQuantity("it is larger than Kubernetes can hold")
    return -int(-size // 1)
