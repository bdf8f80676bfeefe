"""Takes secrets out of text that others wrote, in whatever form a server, a proxy or a client gives them back.

Every message that quotes such text goes through a `Mask`: answers of servers, what git, docker and engines say.
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
"""Characters. What is shorter is hidden as part of "user:password" only, or half of each message would be hidden."""
_SHORTEST_CODED = 6
"""Characters of Base64 that are hidden: fewer come up by chance."""
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")
_SECRET_NAME = re.compile(r"TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY")
_SHORTEST_VALUE = 8
"""Of a variable that has only its name to say that it is secret: `TOKEN_TTL=60` is none."""

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
"""How others write characters: percent-encoded (more than once, too), as JSON, Python or HTML, or unseen."""
_CODED = re.compile("|".join(rf"(?P<{name}>(?:{one})+)" for name, one in _RUNS.items()) + "|\x1b", re.IGNORECASE)
_SINGLE_BYTES = re.compile("[\x00-\xff]+")
_HEXADECIMAL = re.compile(r"(?:%(?:25)*|\\[ux])([0-9a-f]+)", re.IGNORECASE)
_BEFORE_IN_BASE64 = ((0, 0), (1, 2), (2, 3))
"""Bytes that may stand before a secret in its group of three, and how many characters those have a part in."""
_STANDARD = str.maketrans("-_", "+/")
_AROUND = re.compile(r"[\w+/-]{0,2}", re.ASCII)
_END = re.compile(r"[\w+/-]{0,2}={0,2}", re.ASCII)

Span = tuple[int, int]


class Mask:
    """Hides some secrets, and what looks like one: passwords in addresses, authorization headers, GitHub's tokens."""

    __slots__ = ("_coded", "_plain")

    def __init__(self, secrets: Iterable[str] = (), shortest: int = _SHORTEST) -> None:
        """Secrets of fewer than `shortest` characters are not looked for."""
        known = {one for one in secrets if len(one) >= max(1, shortest)}
        forms = {form for one in known for form in (one, *_meant_forms(one), one.replace(" ", "+"), _as_utf8(one))}
        self._plain = tuple(form for form in forms if form)
        self._coded = tuple({form for one in known for form in _base64_forms(one)})

    def __repr__(self) -> str:
        return "Mask()"

    def __call__(self, text: str) -> str:
        """`text` with `***` for each secret. The time is linear in the text."""
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
                # The characters at both ends are made of what stands beside the secret, too.
                begin = first - len(_match(_AROUND, standard[max(0, first - 2) : first][::-1]))
                yield begin, last + len(_match(_END, standard[last : last + 4]))


class _Decoded:
    """A text as it is meant, and where each part of that is written."""

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
        """Where each part ends. Every second part was coded, beginning with the second one."""
        self._written = ends

    def written(self, span: Span) -> Span:
        """Where a part of `text` is written. What is coded in one piece is taken whole."""
        first, last = bisect_right(self._meant, span[0]), bisect_left(self._meant, span[1])
        begin = self._begin(self._written, first) + (span[0] - self._begin(self._meant, first) if first % 2 == 0 else 0)
        end = self._written[last] - (self._meant[last] - span[1] if last % 2 == 0 else 0)
        return begin, end

    @staticmethod
    def _begin(ends: list[int], number: int) -> int:
        return ends[number - 1] if number else 0


@contextmanager
def masked_errors(mask: Callable[[], Mask]) -> Iterator[None]:
    """Hide secrets in the message of what is raised within. `mask` is called only then."""
    try:
        yield
    except MembudgetError as error:
        hide = mask()
        error.what, error.args = hide(error.what), (hide(error.what),)
        error.where = hide(error.where) if error.where is not None else None
        error.fix = hide(error.fix) if error.fix is not None else None
        raise


def environment_secrets(environ: Mapping[str, str]) -> Iterator[str]:
    """What of an environment is secret: logins of proxies, and variables that are named as tokens and passwords are."""
    for name, value in environ.items():
        if name.lower() in _PROXIES:
            yield from login_in(value)
        elif _SECRET_NAME.search(name.upper()) and len(value) >= _SHORTEST_VALUE:
            yield value


def login_in(address: str) -> Iterator[str]:
    """The password of an address, and "user:password", as they are written there and as they are meant."""
    login = address.rpartition("@")[0].rpartition("://")[2]
    for written in {login, unquote(login)}:
        password = written.partition(":")[2]
        yield from (secret for secret in (password, written) if secret)


def login_in_base64(coded: str) -> Iterator[str]:
    """Of "user:password" in Base64, as Basic authentication has it: both together, and the password."""
    try:
        login = base64.b64decode(coded, validate=True).decode(errors="replace")
    except (binascii.Error, ValueError):
        return
    yield from (secret for secret in (login, login.partition(":")[2]) if secret)


def _meant(found: re.Match[str]) -> str:
    """What a coded part of a text stands for."""
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
    """As Python writes bytes of UTF-8, or else single characters."""
    with suppress(UnicodeDecodeError):
        return content.decode()
    return content.decode("latin-1")


def _as_utf8(secret: str) -> str:
    """What a secret is taken for where its single characters, written as Python's bytes, happen to be UTF-8."""
    return _SINGLE_BYTES.sub(lambda found: _text_of_bytes(found[0].encode("latin-1")), secret)


def _meant_forms(secret: str) -> Iterator[str]:
    """What a secret is taken for where its own backslashes quote: also where HTML writes its quotes as entities."""
    yield _Decoded(secret).text
    yield _Decoded(html.escape(secret)).text


def _content(text: str) -> bytes:
    return bytes.fromhex("".join(_HEXADECIMAL.findall(text)))


def _base64_forms(secret: str) -> Iterator[str]:
    """The characters of Base64 that are made of the secret alone, for each of the three places where it may begin."""
    content = secret.encode(errors="surrogateescape")
    for before, shared in _BEFORE_IN_BASE64:
        coded = base64.b64encode(b"\0" * before + content).decode()[shared : (before + len(content)) * 8 // 6]
        if len(coded) >= _SHORTEST_CODED:
            yield coded


def _places(text: str, form: str) -> Iterator[Span]:
    """Where `form` is in a text, also where two of them overlap at their ends."""
    at = text.find(form)
    while at >= 0:
        yield at, at + len(form)
        at = text.find(form, at + len(form))


def _match(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.match(text)
    return found[0] if found else ""


def _with_hidden(text: str, spans: Iterable[Span]) -> str:
    """The text with `***` for each of these places; one for those that touch."""
    parts: list[str] = []
    done = 0
    hidden_to = -1
    for begin, end in sorted(spans):
        if begin > hidden_to:
            parts += (text[done:begin], HIDDEN)
        done = hidden_to = max(hidden_to, end)
    return "".join([*parts, text[done:]])
