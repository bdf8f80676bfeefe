"""Memory limits as compose files and Kubernetes manifests write them, in bytes.

Sources: docker/go-units, `RAMInBytes` (every unit is a power of 1024); Kubernetes, "Resource units in Kubernetes".
"""

import re
from fractions import Fraction

from membudget.budgets.fields import LARGEST_SIZE_BYTES
from membudget.budgets.possible import SMALLEST_LIMIT_BYTES

_COMPOSE = re.compile(r"(\d{1,15}(?:\.\d{1,9})?) ?([kmgtp]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
_KUBERNETES = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)([KMGTP]i|[kMGTPm]|[eE]\d{1,2})?", re.ASCII)
_POWERS = "kmgtp"


def compose_limit(text: str) -> int | None:
    """Return the bytes of a compose size such as "512m". None if it is none, or no limit that can be set."""
    matched = _COMPOSE.fullmatch(text.strip())
    if matched is None:
        return None
    unit = matched[2].lower()
    return _possible(Fraction(matched[1]) * 1024 ** (_POWERS.index(unit) + 1 if unit else 0))


def kubernetes_limit(text: str) -> int | None:
    """Return the bytes of a Kubernetes quantity such as "128Mi". None if it is none, or no limit that can be set."""
    matched = _KUBERNETES.fullmatch(text.strip())
    if matched is None:
        return None
    number, unit = Fraction(matched[1]), matched[2] or ""
    if unit.endswith("i"):
        return _possible(number * 1024 ** (_POWERS.index(unit[0].lower()) + 1))
    if unit == "m":
        return _possible(number / 1000)
    if unit[:1] in ("e", "E"):
        return _possible(number * 10 ** int(unit[1:]))
    return _possible(number * 1000 ** (_POWERS.index(unit.lower()) + 1) if unit else number)


def _possible(size: Fraction) -> int | None:
    return int(size) if SMALLEST_LIMIT_BYTES <= size <= LARGEST_SIZE_BYTES else None
