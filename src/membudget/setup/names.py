"""Names of images for a budgets file, made of the names that a repository uses."""

import re
from collections.abc import Collection

from pydantic import TypeAdapter, ValidationError

from membudget.budgets.fields import ImageName

_LONGEST = 50
_LONGEST_REFERENCE = 500
_IMAGE_NAME = TypeAdapter(ImageName)
_REFERENCE = re.compile(r"(?:.*/)?([^/:@]+)(?::[^/@]*)?(?:@.*)?", re.DOTALL)


def image_name(text: str) -> str:
    """Return a name that a budgets file allows, as near to `text` as possible."""
    words = re.split(r"[^a-z0-9]+", text[: 4 * _LONGEST].lower())
    name = "-".join(word for word in words if word)[:_LONGEST].strip("-")
    return name or "image"


def is_image_name(text: str) -> bool:
    """Return whether a budgets file allows this name."""
    try:
        _IMAGE_NAME.validate_python(text)
    except ValidationError:
        return False
    return True


def unused_name(name: str, longer: str, taken: Collection[str]) -> str:
    """Return `name`, or if it is taken a longer one, or else one with a number."""
    for one in (name, image_name(longer)):
        if one not in taken:
            return one
    return next(numbered for number in range(2, 10_000) if (numbered := f"{name}-{number}") not in taken)


def last_part(reference: str) -> str | None:
    """Return the last part of an image's reference, without tag and digest. None if variables make it unknown."""
    matched = _REFERENCE.fullmatch(reference[:_LONGEST_REFERENCE].strip())
    if matched is None or any(sign in matched[1] for sign in "${}"):
        return None
    return matched[1].lower() or None
