"""Takes secrets out of text that others wrote, in whatever form a server, a proxy or a client gives them back.

Every message that quotes such text goes through a `Mask`: answers of servers, what git, docker and engines say.
"""

import base64
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote

HIDDEN = "***"
_SHORTEST = 4
"""Characters. What is shorter is hidden as part of "user:password" only, or half of each message would be hidden."""
_SHORTEST_CODED = 6
"""Characters of Base64 that are hidden: fewer come up by chance."""
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy")
_SECRET_NAME = re.compile(r"TOKEN|PASSWORD|PASSWD|SECRET|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY")
_SHORTEST_VALUE = 8
"""Of a variable that has only its name to say that it is secret: `TOKEN_TTL=60` is none."""
_NAMED = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}

_IN_ADDRESSES = re.compile(r"(https?://)[^\s/?#@]+@|(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/?#@:]*:[^\s/?#@]+@", re.IGNORECASE)
_IN_HEADERS = re.compile(r"(authorization\W{1,5}(?:basic|bearer|token)\s{1,5})[^\s\"',;<]+", re.IGNORECASE)
_TOKENS = re.compile(r"\b(?:gh[a-z]_|github_pat_)\w{16,}", re.ASCII)


class Mask:
    """Hides some secrets, and what looks like one: passwords in addresses, authorization headers, GitHub's tokens."""

    __slots__ = ("_forms",)

    def __init__(self, secrets: Iterable[str] = (), shortest: int = _SHORTEST) -> None:
        """Secrets of fewer than `shortest` characters are not looked for."""
        looked_for = sorted({one for one in secrets if len(one) >= shortest}, key=lambda one: (-len(one), one))
        self._forms = [(re.compile(form), re.compile(around)) for one in looked_for for form, around in _forms(one)]

    def __repr__(self) -> str:
        return "Mask()"

    def __call__(self, text: str) -> str:
        """`text` with `***` for each secret."""
        shown = self._without_secrets(text)
        bare = _without_invisible(shown)
        hidden = self._without_secrets(bare)
        return shown if hidden == bare else hidden  # what was hidden between its letters is told by nobody

    def _without_secrets(self, text: str) -> str:
        for form, with_its_ends in self._forms:
            if form.search(text):
                text = with_its_ends.sub(HIDDEN, text)
        text = _IN_ADDRESSES.sub(lambda found: f"{found[1] or found[2]}{HIDDEN}@", text)
        text = _IN_HEADERS.sub(rf"\1{HIDDEN}", text)
        return _TOKENS.sub(HIDDEN, text)


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


def _forms(secret: str) -> Iterator[tuple[str, str]]:
    """Patterns of a secret as it is, and in Base64, at each of the three places where it may begin.

    Each twice, to be found and to be hidden: the characters at both ends in Base64 are made of what stands beside it, too.
    """
    plain = "".join(map(_character, secret))
    yield plain, plain
    content = secret.encode(errors="surrogateescape")
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + content).decode()[(0, 2, 3)[before] : (before + len(content)) * 8 // 6]
        if len(coded) >= _SHORTEST_CODED:
            middle = "".join(map(_coded_character, coded))
            yield middle, rf"[\w+/-]{{0,2}}{middle}[\w+/-]{{0,2}}={{0,2}}"


def _coded_character(one: str) -> str:
    """A pattern of one character of Base64, in both of its alphabets."""
    other = {"+": "-", "/": "_"}.get(one)
    return _character(one) if other is None else f"(?:{_character(one)}|{other})"


def _character(one: str) -> str:
    """A pattern of one character: itself, percent-encoded (more than once, too), or as HTML, JSON and Python write it."""
    coded = "".join(f"%(?:25)*{_hexadecimal(f'{byte:02x}')}" for byte in one.encode(errors="surrogateescape"))
    number = ord(one)
    hexadecimal = _hexadecimal(f"{number:x}")
    forms = [re.escape(one), coded, f"&#0*{number};?", f"&#[xX]0*{hexadecimal};?"]
    if number < 0x100:
        forms.append(rf"\\(?:u00|x){_hexadecimal(f'{number:02x}')}")
    elif number < 0x10000:
        forms.append(rf"\\u{_hexadecimal(f'{number:04x}')}")
    if one in _NAMED:
        forms.append(f"&{_NAMED[one]};")
    if one in "\"'/\\":
        forms.append(rf"\\{re.escape(one)}")
    if one == " ":
        forms.append(r"\+")
    return f"(?:{'|'.join(forms)})"


def _hexadecimal(digits: str) -> str:
    """A pattern of hexadecimal digits in either case."""
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def _without_invisible(text: str) -> str:
    """As a message shows it in the end: without control, format and direction characters."""
    return text if text.isprintable() else "".join(
        one for one in text if one.isspace() or not unicodedata.category(one).startswith("C")
    )
