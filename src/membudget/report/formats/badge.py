"""A badge with the newest figure and its budget: as SVG, and as JSON for shields.io.

The JSON has the schema of https://shields.io/badges/endpoint-badge. The SVG looks like shields.io's flat style.
"""

import json
from string import Template
from xml.sax.saxutils import escape

from membudget.core.definition import Better, Unit
from membudget.core.metric_words import format_value
from membudget.core.metrics import Metric
from membudget.core.quantities import GIB, KIB, MIB
from membudget.core.untrusted_text import json_without_commands, printable
from membudget.history.standing import Newest, Standing

LONGEST_LABEL = 60
_COLOURS = {
    Standing.FINE: ("brightgreen", "#4c1"),
    Standing.NEAR: ("orange", "#fe7d37"),
    Standing.OVER: ("red", "#e05d44"),
    Standing.NO_BUDGET: ("blue", "#007ec6"),
    Standing.UNKNOWN: ("lightgrey", "#9f9f9f"),
}
"""The names that shields.io knows, and their values."""
_NARROW, _WIDE = frozenset("ijlI.,:;|'!()[] "), frozenset("mwMW%@")
_WIDTHS = (4.0, 10.5, 7.2)
"""About how wide narrow, wide and other characters of Verdana are, at 11 pixels. `textLength` makes them fit."""
_FIRST_WIDE = 0x2E80
"""From here on, Unicode has the scripts of East Asia and pictures."""
_PADDING = 5
_SVG = Template("""\
<svg xmlns="http://www.w3.org/2000/svg" width="$width" height="20" role="img" aria-label="$label: $message">
<title>$label: $message</title>
<linearGradient id="s" x2="0" y2="100%">\
<stop offset="0" stop-color="#bbb" stop-opacity=".1"/><stop offset="1" stop-opacity=".1"/></linearGradient>
<clipPath id="r"><rect width="$width" height="20" rx="3" fill="#fff"/></clipPath>
<g clip-path="url(#r)"><rect width="$left" height="20" fill="#555"/>\
<rect x="$left" width="$right" height="20" fill="$colour"/><rect width="$width" height="20" fill="url(#s)"/></g>
<g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">
$texts
</g>
</svg>
""")


def render_svg(newest: Newest, label: str) -> str:
    """Return the badge as SVG. It loads nothing, and `label` may be anybody's text."""
    label, message = printable(label, LONGEST_LABEL), message_of(newest)
    left, right = _width(label) + 2 * _PADDING, _width(message) + 2 * _PADDING
    texts = _text(label, _PADDING, left) + _text(message, left + _PADDING, right)
    return _SVG.substitute(
        width=left + right,
        left=left,
        right=right,
        label=_escaped(label),
        message=_escaped(message),
        colour=_COLOURS[newest.standing][1],
        texts="\n".join(texts),
    )


def render_shields(newest: Newest, label: str) -> str:
    """Return the badge as JSON for an endpoint of shields.io."""
    data: dict[str, int | str] = {
        "schemaVersion": 1,
        "label": printable(label, LONGEST_LABEL),
        "message": message_of(newest),
        "color": _COLOURS[newest.standing][0],
    }
    return json_without_commands(json.dumps(data, ensure_ascii=False, indent=2)) + "\n"


def message_of(newest: Newest) -> str:
    """Return the figure and its budget, in one unit: "73 of 96 MiB"."""
    metric, value, budget = newest.metric, newest.value, newest.budget
    if value is None:
        return "unknown"
    sign = "≥ " if newest.is_lower_bound else ""
    if budget is None:
        return f"{sign}{_short(metric, value)}"
    if metric.definition.better is Better.MORE:
        return f"{sign}{_short(metric, value)}, at least {_short(metric, budget)}"
    if metric.definition.unit is Unit.BYTES and (together := _in_one_unit(value, budget)) is not None:
        return f"{sign}{together}"
    return f"{sign}{_short(metric, value)} of {_short(metric, budget)}"


def _short(metric: Metric, value: int) -> str:
    return format_value(metric, value).replace(".0 ", " ")


def _in_one_unit(value: int, budget: int) -> str | None:
    """Return two sizes in the unit of the second, with as many digits as show that they differ. None if they cannot."""
    unit, scale = next((pair for pair in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)) if budget >= pair[1]), ("B", 1))
    if 0 < value < scale:
        return None
    for digits in (1, 2, 3):
        one, other = (f"{size / scale:.{digits}f}".rstrip("0").rstrip(".") for size in (value, budget))
        if one != other or value == budget:
            return f"{one} of {other} {unit}"
    return None


def _width(text: str) -> int:
    """Return about how wide a text is, in pixels."""
    narrow, wide, other = _WIDTHS
    return round(
        sum(narrow if one in _NARROW else wide if one in _WIDE or ord(one) > _FIRST_WIDE else other for one in text)
    )


def _text(text: str, x: int, width: int) -> list[str]:
    """Return a text and its shadow."""
    length = width - 2 * _PADDING
    about = f'x="{x}" textLength="{length}" lengthAdjust="spacingAndGlyphs"'
    shadow = f'<text {about} y="15" fill="#010101" fill-opacity=".3" aria-hidden="true">{_escaped(text)}</text>'
    return [shadow, f'<text {about} y="14">{_escaped(text)}</text>']


def _escaped(text: str) -> str:
    return escape(text, {'"': "&quot;", "'": "&#39;"})
