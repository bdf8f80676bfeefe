"""Secrets in text that others wrote, in the forms in which servers and proxies give them back."""

import base64
import html
import json
import re
import resource
import subprocess
import sys
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from membudget.core.masking import HIDDEN, Mask, environment_secrets, login_in

TOKEN = "s3cr3t-T0k/n+of&ours_"

FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent-encoded": lambda secret: quote(secret, safe=""),
    "percent-encoded but for slashes": quote,
    "percent-encoded as a form": quote_plus,
    "percent-encoded in lower case": lambda secret: "".join(f"%{byte:02x}" for byte in secret.encode()),
    "percent-encoded twice": lambda secret: quote(quote(secret, safe=""), safe=""),
    "HTML": html.escape,
    "HTML by numbers": lambda secret: "".join(f"&#{ord(one)};" for one in secret),
    "HTML by hexadecimal numbers": lambda secret: "".join(f"&#x{ord(one):X};" for one in secret),
    "JSON": lambda secret: json.dumps(secret)[1:-1],
    "JSON by numbers": lambda secret: "".join(
        f"\\u{unit.hex()}" for one in secret for unit in [one.encode("utf-16-be")[at : at + 2] for at in (0, 2)] if unit
    ),
    "JSON with slashes": lambda secret: json.dumps(secret)[1:-1].replace("/", "\\/"),
    "Python": lambda secret: repr(secret)[1:-1],
    "Python's bytes": lambda secret: "".join(f"\\x{ord(one):02x}" if ord(one) < 256 else one for one in secret),
    "Base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "Base64 for addresses": lambda secret: base64.urlsafe_b64encode(secret.encode()).decode(),
    "Base64 in an address": lambda secret: quote(base64.b64encode(secret.encode()).decode(), safe=""),
    "Basic auth": lambda secret: base64.b64encode(b"x:" + secret.encode()).decode(),
    "Basic auth of a workflow": lambda secret: base64.b64encode(b"x-access-token:" + secret.encode()).decode(),
    "Base64 before more": lambda secret: base64.b64encode(b"user:" + secret.encode() + b"\n--").decode(),
    "with invisible characters": "\N{ZERO WIDTH SPACE}".join,
    "with controls": "\x00\x07".join,
    "with colours": "\x1b[31m".join,
}
LETTERS = st.characters(min_codepoint=0x20, exclude_categories=["C"])
SECRETS = st.text(st.sampled_from("abcXYZ019-_+/=%&\\\"'<>;:#~ é\N{GRINNING FACE}") | LETTERS, min_size=6, max_size=60)
TEXTS = st.text(st.sampled_from(" .,:;%&\\\"'<>/?#=*\nü\N{ZERO WIDTH SPACE}"), max_size=30)


@pytest.mark.thorough
@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40)  # for each form
@given(secret=SECRETS, before=TEXTS, after=TEXTS, others=st.lists(SECRETS, max_size=3))
@example(secret="00\\'\\\\", before="", after="", others=[])
def test_a_secret_is_hidden_in_every_form(form: str, secret: str, before: str, after: str, others: list[str]) -> None:
    shown = FORMS[form](secret)

    said = Mask([*others, secret])(f"{before}<{shown}>{after}")

    assert HIDDEN in said
    assert shown not in said


def test_a_secret_whose_characters_are_bytes_of_utf8_is_hidden_as_python_writes_them() -> None:
    secret = "0000\N{LATIN CAPITAL LETTER A WITH CIRCUMFLEX}\N{NO-BREAK SPACE}"
    assert Mask([secret])("<" + FORMS["Python's bytes"](secret) + ">") == f"<{HIDDEN}>"


@pytest.mark.parametrize("form", FORMS)
def test_what_stands_around_a_secret_stays(form: str) -> None:
    """In Base64, also what is made of other bytes alone."""
    said = Mask([TOKEN])(f"bad login <{FORMS[form](TOKEN)}> of 100 % & more")
    assert re.fullmatch(rf"bad login <\w*{re.escape(HIDDEN)}[\w=]*> of 100 % & more", said)


@pytest.mark.thorough
@given(st.text(max_size=200), st.lists(SECRETS.map(lambda secret: f"{secret}\N{SNOWMAN}"), max_size=5))
def test_text_without_secrets_is_unchanged(text: str, secrets: list[str]) -> None:
    plain = text.replace("\N{SNOWMAN}", "").replace("://", "")
    assert Mask(secrets)(plain) == plain


@pytest.mark.thorough
@given(SECRETS, st.text(max_size=50))
def test_masking_twice_changes_nothing_more(secret: str, text: str) -> None:
    mask = Mask([secret])
    assert mask(mask(f"{text}{secret}")) == mask(f"{text}{secret}")


def test_the_longer_of_two_secrets_is_hidden_whole() -> None:
    assert Mask(["password", "password-and-more"])("is password-and-more it?") == f"is {HIDDEN} it?"


def test_secrets_that_touch_or_overlap_are_hidden_together() -> None:
    assert Mask(["abcdef", "defghi"])("<abcdefghi> <abcdefabcdef>") == f"<{HIDDEN}> <{HIDDEN}>"


def test_what_is_too_short_to_be_a_secret_is_left() -> None:
    assert Mask(["x", ""])("an axe") == "an axe"
    assert Mask(["x", ""], shortest=1)("an axe") == f"an a{HIDDEN}e"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("fatal: http://bob:hunter2@proxy.example:3128/ refused", "fatal: http://***@proxy.example:3128/ refused"),
        ("https://x-access-token@git.example/a b@c", "https://***@git.example/a b@c"),
        ("http://bob:p@ss@proxy.example", "http://***@proxy.example"),
        ("tcp://bob:hunter2@engine.example:2376", "tcp://***@engine.example:2376"),
        ("ssh://git@host.example/x", "ssh://git@host.example/x"),
        ('{"Authorization": "Basic Ym9iOmh1bnRlcjI="}', '{"Authorization": "Basic ***"}'),
        ("authorization: token abc, more", "authorization: token ***, more"),
        (f"bad ghs_{'a1' * 18}.", "bad ***."),
        ("see https://host.example/a, or ask bob@host.example", "see https://host.example/a, or ask bob@host.example"),
        ('["https://host.example","a@b"]', '["https://host.example","a@b"]'),
    ],
)
def test_what_looks_like_a_secret_is_hidden_too(said: str, shown: str) -> None:
    assert Mask()(said) == shown
    assert Mask(["another"])(said) == shown


def test_secrets_of_an_environment() -> None:
    environ = {
        "HTTPS_PROXY": "http://bob:hunt%65r2@proxy.example:3128", "API_KEY": "12345678", "TOKEN_TTL": "60",
        "PATH": "/bin/and/more", "MY_PASSWORD": "long enough", "no_proxy": "a:b@c",
    }  # fmt: skip
    assert set(environment_secrets(environ)) == {
        "hunt%65r2", "hunter2", "bob:hunt%65r2", "bob:hunter2", "12345678", "long enough"
    }  # fmt: skip


def test_an_address_without_a_login_has_no_secret() -> None:
    assert list(login_in("http://proxy.example:3128")) == []


_WORK = """
import sys
from membudget.core.masking import Mask
piece, hidden = sys.argv[1], sys.argv[2]
mask = Mask(f"{hidden}{number}" for number in range(20))
mask("warm")
text = (piece * (1_000_000 // len(piece)))[: 1_000_000]
mask(text)
"""


@pytest.mark.thorough
@pytest.mark.parametrize(
    "piece",
    [
        "an ordinary line of a build's log, 100 %\n", "%25", "%2", "&#0", "\\u00", "\\", "\x1b]", "\x1b[0",
        "é\N{ZERO WIDTH SPACE}",
        "http://", "http://a:", "authorization", "gh", "sec", "secret1", "c2VjcmV0",
    ],
)  # fmt: skip
def test_a_megabyte_and_twenty_secrets_take_little_time(piece: str) -> None:
    """In a child's own seconds of processor, which a busy machine does not change much."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", _WORK, piece, "secret"], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < 5
