"""Hides secrets in text from outside, in every form that a server, a proxy or a client may print them in.

All messages that quote such text pass through a `Mask`: answers of servers, and the output of git, docker and engines.
"""

import base64
import binascii
import html
import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import accumulate
from urllib.parse import unquote

from membudget.core.errors import MembudgetError

HIDDEN = "***"
_SHORTEST = 4
"""The shortest secret, in characters, that is hidden on its own. Shorter ones are hidden only as part of
"user:password", because otherwise half of each message would be hidden.
"""
_SHORTEST_CODED = 6
"""The shortest run of Base64 characters that is hidden. Shorter ones occur by chance."""
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")
_SECRET_NAME = re.compile(r"TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY")
_SHORTEST_VALUE = 8
"""The shortest value of a variable whose name suggests a secret. `TOKEN_TTL=60` is not one."""

_IN_ADDRESSES = re.compile(
    r"(https?://)[^\s/?#\"'<>\\]+@|(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/?#@:]*:[^\s/?#\"'<>\\]+@", re.IGNORECASE
)
_IN_HEADERS = re.compile(r"(authorization\W{1,5}(?:basic|bearer|token)\s{1,5})[^\s\"',;<]+", re.IGNORECASE)
_TOKENS = re.compile(r"\b(?:gh[a-z]_|github_pat_)\w{16,}", re.ASCII)

_BYTE = "%(?:25)*[0-9a-f]{2}"
_ENTITY = "&(?:#[0-9]{1,12}|#x[0-9a-f]{1,12}|amp|lt|gt|quot|apos);?"
_TERMINAL = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])"
_RUNS = {
    "percent": _BYTE,
    "units": r"\\u[0-9a-f]{4}",
    "bytes": r"\\x[0-9a-f]{2}",
    "quoted": r"\\[\"'/\\]",
    "entities": _ENTITY,
    "terminal": _TERMINAL,
    "other": r"[^ -~\s\x1b]",
}
"""Encodings of characters: percent-encoding, also nested; JSON, Python and HTML escapes; and invisible characters."""
_CODED = re.compile("|".join(rf"(?P<{name}>(?:{one})+)" for name, one in _RUNS.items()) + "|\x1b", re.IGNORECASE)
_SINGLE_BYTES = re.compile("[\x00-\xff]+")
_HEXADECIMAL = re.compile(r"(?:%(?:25)*|\\[ux])([0-9a-f]+)", re.IGNORECASE)
_BEFORE_IN_BASE64 = ((0, 0), (1, 2), (2, 3))
"""How many bytes precede a secret in its group of three, and how many Base64 characters these bytes influence."""
_STANDARD = str.maketrans("-_", "+/")
_AROUND = re.compile(r"[\w+/-]{0,2}", re.ASCII)
_END = re.compile(r"[\w+/-]{0,2}={0,2}", re.ASCII)

Span = tuple[int, int]


class Mask:
    """Hides known secrets and whatever looks like one.

    Passwords in addresses, authorization headers and GitHub tokens are always hidden.
    """

    __slots__ = ("_coded", "_plain")

    def __init__(self, secrets: Iterable[str] = (), shortest: int = _SHORTEST) -> None:
        """Ignore secrets of fewer than `shortest` characters."""
        known = {one for one in secrets if len(one) >= max(1, shortest)}
        forms = {form for one in known for form in (one, *_meant_forms(one), one.replace(" ", "+"), _as_utf8(one))}
        self._plain = tuple(form for form in forms if form)
        self._coded = tuple({form for one in known for form in _base64_forms(one)})

    def __repr__(self) -> str:
        return "Mask()"

    def __call__(self, text: str) -> str:
        """Return `text` with `***` in place of each secret. Takes time linear in the text."""
        if self._plain:
            decoded = _Decoded(text)
            found = [*self._found(text), *map(decoded.written, self._found(decoded.text))]
            text = _with_hidden(text, found)
        text = _IN_ADDRESSES.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}@", text)
        text = _IN_HEADERS.sub(rf"\1{HIDDEN}", text)
        return _TOKENS.sub(HIDDEN, text)

    def _found(self, text: str) -> Iterator[Span]:
        for form in self._plain:
            yield from _places(text, form)
        standard = text.translate(_STANDARD) if "-" in text or "_" in text else text
        for form in self._coded:
            for first, last in _places(standard, form):
                # The characters next to both ends encode the secret too, mixed with its neighbours.
                begin = first - len(_match(_AROUND, standard[max(0, first - 2) : first][::-1]))
                yield begin, last + len(_match(_END, standard[last : last + 4]))


class _Decoded:
    """A decoded text, with a map back to the positions in the original."""

    __slots__ = ("_meant", "_written", "text")

    def __init__(self, text: str) -> None:
        parts: list[str] = []
        ends: list[int] = []
        done = 0
        for found in _CODED.finditer(text):
            parts += (text[done : found.start()], _meant(found))
            done = found.end()
            ends += (found.start(), done)
        parts.append(text[done:])
        ends.append(len(text))
        self.text = "".join(parts)
        self._meant = list(accumulate(map(len, parts)))
        """The end of each part of the decoded text. Every second part, starting with the second, was encoded."""
        self._written = ends

    def written(self, span: Span) -> Span:
        """Return the original position of a part of `text`. An encoded run is always included completely."""
        first, last = bisect_right(self._meant, span[0]), bisect_left(self._meant, span[1])
        begin = self._begin(self._written, first) + (span[0] - self._begin(self._meant, first) if first % 2 == 0 else 0)
        end = self._written[last] - (self._meant[last] - span[1] if last % 2 == 0 else 0)
        return begin, end

    @staticmethod
    def _begin(ends: list[int], number: int) -> int:
        return ends[number - 1] if number else 0


@contextmanager
def masked_errors(mask: Callable[[], Mask]) -> Iterator[None]:
    """Hide secrets in the message of errors that are raised inside. `mask` is called only in that case."""
    try:
        yield
    except MembudgetError as error:
        hide = mask()
        error.what, error.args = hide(error.what), (hide(error.what),)
        error.where = hide(error.where) if error.where is not None else None
        error.fix = hide(error.fix) if error.fix is not None else None
        raise


def environment_secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """Yield the secrets in an environment: logins of proxies, and variables that are named like tokens or passwords."""
    for name, value in environ.items():
        if name.lower() in _PROXIES:
            yield from login_in(value)
        elif _SECRET_NAME.search(name.upper()) and len(value) >= _SHORTEST_VALUE:
            yield value


def login_in(address: str) -> Iterator[str]:
    """Yield the password of an address and "user:password", both as written and percent-decoded."""
    login = address.rpartition("@")[0].rpartition("://")[2]
    for written in {login, unquote(login)}:
        password = written.partition(":")[2]
        yield from (secret for secret in (password, written) if secret)


def login_in_base64(coded: str) -> Iterator[str]:
    """Yield "user:password" and the password from the Base64 of Basic authentication."""
    try:
        login = base64.b64decode(coded, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return
    yield from (secret for secret in (login, login.partition(":")[2]) if secret)


def _meant(found: re.Match[str]) -> str:
    """Return what an encoded part of a text decodes to."""
    text = found[0]
    match found.lastgroup:
        case "percent":
            meant = _content(text).decode(errors="replace")
        case "units":
            meant = _content(text).decode("utf-16-be", errors="replace")
        case "bytes":
            meant = _text_of_bytes(_content(text))
        case "quoted":
            meant = text[1::2]
        case "entities":
            meant = html.unescape(text)
        case "other":
            meant = "".join(one for one in text if not unicodedata.category(one).startswith("C"))
        case _:
            meant = ""
    return meant


def _text_of_bytes(content: bytes) -> str:
    """Decode bytes as UTF-8 if possible, otherwise as Latin-1."""
    with suppress(UnicodeDecodeError):
        return content.decode()
    return content.decode("latin-1")


def _as_utf8(secret: str) -> str:
    """Return what a secret decodes to if its Latin-1 characters, printed as Python bytes, happen to be valid UTF-8."""
    return _SINGLE_BYTES.sub(lambda found: _text_of_bytes(found[0].encode("latin-1")), secret)


def _meant_forms(secret: str) -> Iterator[str]:
    """Yield what a secret decodes to if it contains escapes itself, also after HTML has escaped its quotes."""
    yield _Decoded(secret).text
    yield _Decoded(html.escape(secret)).text


def _content(text: str) -> bytes:
    return bytes.fromhex("".join(_HEXADECIMAL.findall(text)))


def _base64_forms(secret: str) -> Iterator[str]:
    """Yield the Base64 characters that depend on the secret alone, for each of its three possible offsets."""
    content = secret.encode(errors="surrogateescape")
    for before, shared in _BEFORE_IN_BASE64:
        coded = base64.b64encode(b"\0" * before + content).decode()[shared : (before + len(content)) * 8 // 6]
        if len(coded) >= _SHORTEST_CODED:
            yield coded


def _places(text: str, form: str) -> Iterator[Span]:
    """Yield the non-overlapping positions of `form` in a text, from left to right."""
    at = text.find(form)
    while at >= 0:
        yield at, at + len(form)
        at = text.find(form, at + len(form))


def _match(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.match(text)
    return found[0] if found else ""


def _with_hidden(text: str, spans: Iterable[Span]) -> str:
    """Replace these positions of a text with `***`. Positions that touch get one together."""
    parts: list[str] = []
    done = 0
    hidden_to = -1
    for begin, end in sorted(spans):
        if begin > hidden_to:
            parts += (text[done:begin], HIDDEN)
        done = hidden_to = max(hidden_to, end)
    return "".join([*parts, text[done:]])
