"""Sizes, durations and percentages: parses what people write and formats what people read.

Inside membudget, a size is an `int` of bytes and a duration an `int` of milliseconds. Names end in `_bytes` or `_ms`.
Units are those of IEC 80000-13: `MiB` is 2**20 bytes, `MB` is 10**6 bytes. Kubernetes writes the same without the B:
`Mi` and `M` (https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/).
"""

import re
from fractions import Fraction

KIB, MIB, GIB = 2**10, 2**20, 2**30
MOST_CPUS = 1024
"""The most CPUs that a container may have, in a budgets file, a manifest or an option."""

_BYTES_PER_UNIT = {
    "B": 1,
    "KiB": KIB, "MiB": MIB, "GiB": GIB, "TiB": 2**40,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "Ki": KIB, "Mi": MIB, "Gi": GIB, "Ti": 2**40,
    "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
}  # fmt: skip
_MS_PER_UNIT = {"ms": 1, "s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000}
_US_PER_UNIT = {"us": 1, "µs": 1, **{unit: 1000 * ms for unit, ms in _MS_PER_UNIT.items()}}

SIZE_HINT = 'a number with a unit: "256MiB", "1.5GiB", "128Mi" (powers of 1024) or "500MB", "500M" (powers of 1000)'
DURATION_HINT = 'a number with a unit: "500ms", "30s", "2m", "1h"'
LATENCY_HINT = 'a number with a unit: "850us", "2.5ms", "1s"'
RATE_HINT = "a number of requests a second, with at most three decimals: 1500 or 0.5"
PERCENT_HINT = 'a number from 0 to 1000, with or without a percent sign: 5, 2.5, "5%"'

SIZE_PATTERN = r"^\s*\d+(\.\d+)?\s*(B|[KMGT]iB?|[kKMGT]B|[kMGT])\s*$"
DURATION_PATTERN = r"^\s*\d+(\.\d+)?\s*(ms|s|m|min|h)\s*$"

LATENCY_PATTERN = r"^\s*\d+(\.\d+)?\s*(us|µs|ms|s|m|min|h)\s*$"

_NUMBER_WITH_UNIT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-zµ]*)\s*", re.ASCII)
_PERCENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%?\s*", re.ASCII)
_LONGEST_QUANTITY = 40  # limits the cost of arithmetic on text from outside


def parse_size(text: str) -> int:
    """Return the bytes of a text such as "256MiB", "1.5 GB" or Kubernetes' "128Mi".

    Raises ValueError if the unit is missing or unknown. Tools disagree on the meaning of bare numbers and of docker's
    `256m`.
    """
    return _parse(text, _BYTES_PER_UNIT, "size", size_hint(text))


def size_hint(text: str) -> str:
    """Return how to write a size, and what is wrong with `text` if it is a known mistake."""
    matched = _NUMBER_WITH_UNIT.fullmatch(text) if len(text) <= _LONGEST_QUANTITY else None
    if matched is None or matched[2] in _BYTES_PER_UNIT:
        return SIZE_HINT
    number, unit = matched[1], matched[2]
    if not unit:
        return f'{SIZE_HINT}; "{number}" has no unit: write "{number}MiB", or "{number}B" for bytes'
    if unit == "m":
        return f'{SIZE_HINT}; "m" is MiB in docker and 1/1000 in Kubernetes: write "{number}MiB"'
    if unit in ("K", "g", "t"):
        whole = f"{unit.upper()}iB"
        return f'{SIZE_HINT}; "{unit}" is {whole} in docker and unknown in Kubernetes: write "{number}{whole}"'
    meant = next((known for known in _BYTES_PER_UNIT if known.lower() == unit.lower()), None)
    return f'{SIZE_HINT}; write "{number}{meant}"' if meant is not None else SIZE_HINT


def parse_duration(text: str) -> int:
    """Return the milliseconds of a text such as "30s". Raises ValueError if the unit is missing or unknown."""
    return _parse(text, _MS_PER_UNIT, "duration", DURATION_HINT)


def parse_latency(text: str) -> int:
    """Return the microseconds of a text such as "2.5ms". Raises ValueError if the unit is missing or unknown."""
    return _parse(text, _US_PER_UNIT, "duration", LATENCY_HINT)


def parse_rate(value: float) -> int:
    """Return a rate in thousandths of a request a second. Raises ValueError if it is negative or has more digits."""
    thousandths = Fraction(str(value)) * 1000
    if thousandths.denominator != 1 or thousandths < 0:
        raise ValueError(f"not a rate; write {RATE_HINT}")
    return int(thousandths)


def parse_percent(value: str | float) -> float:
    """Return a percentage, written as 5, 2.5 or "5%". Raises ValueError outside of 0 to 1000."""
    if isinstance(value, str):  # float() also accepts 1_0, 1e2, infinity and the digits of every script
        matched = _PERCENT.fullmatch(value) if len(value) <= _LONGEST_QUANTITY else None
        percent = float(matched[1]) if matched is not None else -1.0
    else:
        percent = float(value)
    if not 0 <= percent <= 1000:
        raise ValueError(f"not a percent; write {PERCENT_HINT}")
    return percent


def format_size(size_bytes: int) -> str:
    """Format bytes in powers of 1024 with one decimal: "12.5 MiB"."""
    return _format_scaled(size_bytes, signed=False)


def format_size_delta(delta_bytes: int) -> str:
    """Format a change in bytes with its sign: "+12.5 MiB", "-3.0 KiB", "0 B"."""
    return _format_scaled(delta_bytes, signed=True)


def format_size_spread(delta_bytes: int, margin_bytes: int) -> str:
    """Format a change in bytes with its margin, in one unit: "+4.0 ± 0.3 MiB"."""
    name, scale = _scale(max(abs(delta_bytes), margin_bytes))
    digits = 0 if scale == 1 else 1
    change, margin = f"{delta_bytes / scale:+.{digits}f}", f"{margin_bytes / scale:.{digits}f}"
    return f"{change.lstrip('+-') if float(change) == 0 else change} ± {margin} {name}"


def format_duration(duration_ms: int) -> str:
    """Format milliseconds: "840 ms", "12.5 s", "2 m 05 s"."""
    if duration_ms < 1000:
        return f"{duration_ms} ms"
    if duration_ms < 99_950:
        return f"{duration_ms / 1000:.1f} s"
    minutes, seconds = divmod(round(duration_ms / 1000), 60)
    return f"{minutes} m {seconds:02d} s"


def format_latency(duration_us: int) -> str:
    """Format microseconds with three digits or more: "850 µs", "2.51 ms", "42.3 ms", "840 ms", "12.5 s"."""
    if duration_us < 1000:
        return f"{duration_us} µs"
    if duration_us < 99_950:
        return f"{_three_digits(duration_us)} ms"
    return format_duration(round(duration_us / 1000))


def format_rate(thousandths: int) -> str:
    """Format a rate with three digits or more: "0.25/s", "42.3/s", "1,235/s"."""
    return f"{_three_digits(thousandths)}/s"


def _three_digits(thousandths: int) -> str:
    """Return a number of thousandths as a decimal number with three digits, or all digits of its whole part."""
    whole = thousandths / 1000
    return f"{whole:.2f}" if thousandths < 9_995 else f"{whole:.1f}" if thousandths < 99_950 else f"{whole:,.0f}"


def format_scale(scale: float) -> str:
    """Format the factor from CI to production, to follow a size: " × 1.6 (scale)". Empty for 1."""
    return f" × {scale:g} (scale)" if scale != 1 else ""


def format_percent(percent: float, *, signed: bool = False) -> str:
    """Format a percentage: "5%", "12.5%". If signed, it always has one decimal: "+12.5%", "-3.0%"."""
    return f"{percent:+.1f}%" if signed else f"{percent:.1f}".removesuffix(".0") + "%"


def parse_whole(text: str, least: int, most: int) -> int:
    """Return a whole number written in ASCII digits. Raises ValueError if it is not from `least` to `most`.

    `int()` also accepts 1_0 and the digits of other scripts.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_QUANTITY and least <= int(text) <= most):
        raise ValueError(f"a whole number from {least} to {most}")
    return int(text)


def _parse(text: str, units: dict[str, int], kind: str, hint: str) -> int:
    matched = _NUMBER_WITH_UNIT.fullmatch(text) if len(text) <= _LONGEST_QUANTITY else None
    if matched is None or matched[2] not in units:
        raise ValueError(f"not a {kind}; write {hint}")
    return int(Fraction(matched[1]) * units[matched[2]])


def _format_scaled(size_bytes: int, *, signed: bool) -> str:
    magnitude = abs(size_bytes)
    sign = ("-" if size_bytes < 0 else "+" if size_bytes > 0 else "") if signed or size_bytes < 0 else ""
    name, scale = _scale(magnitude)
    return f"{sign}{magnitude} B" if scale == 1 else f"{sign}{magnitude / scale:.1f} {name}"


def _scale(magnitude: int) -> tuple[str, int]:
    """Return the unit in which the rounded number is 1 or more: 1023.96 KiB is printed as 1.0 MiB."""
    for name, scale in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if magnitude >= scale - scale // 2048:
            return name, scale
    return "B", 1
