"""Finds where a rendered amount of memory is written, such as the key of a values file.

A rendered manifest does not say where its values come from. So each place where the same text is written gets another
number, all at once, and the manifest is rendered again. The number that comes out tells the place, whatever the
templates, overlays or patches do with it. What does not come out keeps the template or the folder as its place.
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from membudget.check.manifest_files import Gathered
from membudget.core.errors import ProgramFailed
from membudget.manifests.deployed import Amount, DeployedManifests, Place
from membudget.manifests.kubernetes import TooMuchYaml
from membudget.manifests.quantities import InvalidQuantity, kubernetes_bytes
from membudget.manifests.spots import LONGEST_LINE, plain_lines
from membudget.manifests.yaml_text import InvalidYaml

_TEXTS = (".yaml", ".yml", ".tpl", ".json", "Kustomization")
_MOST_CANDIDATES = 300
MOST_SINGLE_TRIES = 8
MOST_S = 20.0
"""The longest time for tries: a chart may take half a minute each time."""
_PARTS = re.compile(r"(\d+)(?:\.\d*)?(.*)", re.DOTALL)

Read = Callable[[Mapping[str, bytes]], DeployedManifests]
"""Renders files and reads the result. Raises ProgramFailed, InvalidYaml and TooMuchYaml."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A place where an amount may come from."""

    path: str
    start: int
    """The characters of the file that hold the amount."""
    end: int
    other: str
    """The text that is put there to see what comes of it."""


def with_lines(deployment: DeployedManifests, texts: Mapping[str, str]) -> DeployedManifests:
    """Return the same with the line of each amount whose place is exact. `texts` are files by path."""
    lines = {path: plain_lines(text) for path, text in texts.items()}

    def lined(amount: Amount) -> Amount:
        number, known = amount.place.line - 1, lines.get(amount.place.path, ())
        line = known[number] if amount.place.is_exact and number < len(known) else ""
        is_plain = line.count(amount.text) == 1 and len(line) <= LONGEST_LINE and "$" not in amount.text
        return replace(amount, line_text=line if is_plain else "")

    return deployment.with_amounts(lined)


def with_values(deployment: DeployedManifests, gathered: Gathered, read: Read) -> DeployedManifests:
    """Return what was rendered, with the places in the sources of all amounts for which they can be found."""
    texts = {path: text for path, content in gathered.files.items() if (text := file_text(path, content)) is not None}
    candidates = list(_candidates(deployment, texts))
    places: dict[int, Place] = {}
    begun = time.monotonic()
    batches = [candidates, *([one] for one in candidates[:MOST_SINGLE_TRIES])]
    for some in batches if candidates else ():  # without any, it would be rendered once more unchanged
        if time.monotonic() - begun > MOST_S:
            break
        found = _tried(deployment, some, texts, gathered, read)
        places |= found or {}
        if found is not None and some is candidates:
            break
    if not places:
        return deployment
    numbers = iter(range(len(deployment.amounts)))
    placed = deployment.with_amounts(lambda one: replace(one, place=places.get(next(numbers), one.place)))
    return with_lines(placed, {gathered.origin(path): text for path, text in texts.items()})


def file_text(path: str, content: bytes) -> str | None:
    """Return the text of a file that amounts may be written in. None if it is of another kind."""
    if not path.endswith(_TEXTS):
        return None
    try:
        return content.decode()
    except UnicodeDecodeError:
        return None


def _candidates(deployment: DeployedManifests, texts: Mapping[str, str]) -> Iterator[_Candidate]:
    amounts = {amount.text for amount in deployment.amounts}
    if not amounts:
        return
    either = "|".join(re.escape(text) for text in sorted(amounts, key=len, reverse=True))
    written = re.compile(rf"(?<![\w.+-])(?:{either})(?![\w.])")
    taken = {amount.size_bytes for amount in deployment.amounts}
    count = 0
    for path, text in texts.items():
        for matched in written.finditer(text):
            start = text.rfind("\n", 0, matched.start()) + 1
            before = text[start : matched.start()]
            is_size = not matched[0].isdecimal() or "mem" in before.lower() or "size" in before.lower()
            if before.lstrip().startswith("#") or not is_size:
                continue
            other = _another(matched[0], taken)
            if other is not None:
                yield _Candidate(path, *matched.span(), other)
                count += 1
            if count >= _MOST_CANDIDATES:
                return


def _another(text: str, taken: set[int]) -> str | None:
    """Return an amount of the same form that nothing else has. None if there is none nearby."""
    parts = _PARTS.fullmatch(text)
    if parts is None:
        return None
    for number in range(int(parts[1]) + 1, int(parts[1]) + 2 * _MOST_CANDIDATES):
        other = f"{number}{parts[2]}"
        try:
            size_bytes = kubernetes_bytes(other)
        except InvalidQuantity:
            return None
        if size_bytes not in taken:
            taken.add(size_bytes)
            return other
    return None


def _tried(
    deployment: DeployedManifests, some: list[_Candidate], texts: Mapping[str, str], gathered: Gathered, read: Read
) -> dict[int, Place] | None:
    """Return the places that come out when some candidates have other numbers, by the number of the amount.

    None if it cannot be rendered so: a chart's schema may not allow the numbers.
    """
    files = dict(gathered.files)
    for path in {one.path for one in some}:
        text = texts[path]
        for one in sorted((one for one in some if one.path == path), key=lambda one: -one.start):
            text = f"{text[: one.start]}{one.other}{text[one.end :]}"
        files[path] = text.encode()
    try:
        other = read(files)
    except (ProgramFailed, InvalidYaml, TooMuchYaml):
        return None
    if _without_amounts(other) != _without_amounts(deployment):
        return None
    by_size = {kubernetes_bytes(one.other): one for one in some}
    found = {}
    for number, amount in enumerate(other.amounts):
        source = by_size.get(amount.size_bytes)
        if source is not None:
            line = texts[source.path].count("\n", 0, source.start) + 1
            found[number] = Place(gathered.origin(source.path), line)
    return found


_NOTHING = Amount(0, "", Place("-"))


def _without_amounts(deployment: DeployedManifests) -> DeployedManifests:
    return deployment.with_amounts(lambda _: _NOTHING)
