"""Made-up values in place of passwords and keys that a repository's files give to containers and builds.

What `init` writes is committed and posted in reviews, so a password must not travel into it, not even one that is
committed elsewhere. Each secret gets the same made-up value, so that a service and its database still agree.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

MADE_UP = "made-up-value-made-up-value-1234"
"""32 characters, because many programs want keys of 16 or 32, and plain in URLs. Nobody takes it for a real one."""

_LONGEST = 4096
"""Longer values with a secret's name are replaced as a whole, others are left out: searching them takes time."""
_WORDS = r"passw(?:or)?d|passphrase|secret|token|credentials?|(?:api|access|account|private|shared)[_-]?key|pwd"
_NAMES = re.compile(
    r"PASSW|PASSPHRASE|TOKEN|SECRET|KEY|CREDENTIAL|PRIVATE|WEBHOOK|(?:^|[_-])(?:PASS|PWD|PIN|AUTH|DSN|SALT)(?:$|[_-])",
    re.IGNORECASE,
)
_NO_SECRETS = (
    (re.compile(r"(?:UR[IL]|ENDPOINT|ISSUER)$", re.IGNORECASE), re.compile(r"[a-z][a-z0-9+.-]{0,20}://\S+")),
    (re.compile(r"(?:FILE|PATH|DIR|FOLDER)$", re.IGNORECASE), re.compile(r"[./~]\S*")),
    (
        re.compile(r"(?:PORT|TTL|EXPIR\w*|SECONDS|MINUTES|HOURS|DAYS|LENGTH|SIZE|COUNT|AGE|ROUNDS)$", re.IGNORECASE),
        re.compile(r"\d{1,8}[a-z]{0,2}"),
    ),
    (re.compile(""), re.compile(r"|true|false|yes|no|on|off|none|null|enabled|disabled", re.IGNORECASE)),
)  # fmt: skip
"""Ends of names with the values that belong to them: the address, the file or the age of a key is no key."""
_IN_VALUES = (
    # logins in addresses: of any scheme, also with a slash in the password, and those of Go's MySQL driver
    (re.compile(r"(https?://)[^\s/?#:@]+@"), rf"\g<1>{MADE_UP}@"),
    (re.compile(r"(://[^\s/?#:@]*:)[^\s/?#]*@"), rf"\g<1>{MADE_UP}@"),
    (re.compile(r"(://[^\s/?#:@]*:)(?!\d{1,5}(?:[/?#]|$))[^\s@]*@"), rf"\g<1>{MADE_UP}@"),
    (re.compile(r"^([\w.-]{1,100}:)[^\s@/]+@(?=[\w(\[])"), rf"\g<1>{MADE_UP}@"),
    # connection strings, options, queries and JSON
    (re.compile(rf"((?:{_WORDS})[\"']?\s?[=:]\s?[\"']?)[^\s;&,\"'{{}}]+", re.IGNORECASE), rf"\g<1>{MADE_UP}"),
    (re.compile(r"\b((?:Bearer|Basic)\s{1,5})[^\s\"',;]{6,}", re.IGNORECASE), rf"\g<1>{MADE_UP}"),
    # tokens that can be told by their form, as their makers publish it
    (
        re.compile(
            r"\b(?:gh[a-z]_|github_pat_|glpat-|xox[a-z]-|AKIA|ASIA|AIza|[sr]k_(?:live|test)_|sk-|npm_|pypi-|SG\.|eyJ)"
            r"[\w.-]{12,}",
            re.ASCII,
        ),
        MADE_UP,
    ),
    (re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*", re.DOTALL), MADE_UP),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class LocalValues:
    """Variables that may be written down."""

    values: Mapping[str, str]
    made_up: tuple[str, ...]
    """The names of those whose value is made up, in whole or in part."""

    @property
    def todo(self) -> tuple[str, ...]:
        """The comment about made-up values. Empty if there are none."""
        if not self.made_up:
            return ()
        names = ", ".join(self.made_up)
        return (f"TODO: made up, because what is written there may be secret: {names}",)


def local_values(given: Mapping[str, str]) -> LocalValues:
    """Return the variables with made-up values in place of secrets."""
    values = {name: without_secrets(name, value) for name, value in given.items() if len(value) <= _LONGEST}
    return LocalValues(values, tuple(name for name, value in values.items() if value != given[name]))


def without_secrets(name: str, value: str) -> str:
    """Return a value in which secrets are replaced, as far as its name and its form tell them."""
    if _NAMES.search(name) and not any(end.search(name) and form.fullmatch(value) for end, form in _NO_SECRETS):
        if "://" not in value or (replaced := _replaced(value)) == value:
            return MADE_UP
        return replaced
    return _replaced(value)


def _replaced(value: str) -> str:
    for form, instead in _IN_VALUES:
        value = form.sub(instead, value)
    return value
