from pathlib import Path

import pytest
from pydantic import SecretStr

from membudget.core.errors import ConfigurationError
from membudget.web.bounded_http import TokenLogin
from membudget.web.metrics_login import MetricsAddress, secret_in

TOKEN = "glsa_0123456789abcdef"


def address(url: str = "https://push.example", secret: str | None = TOKEN) -> MetricsAddress:
    return MetricsAddress(url, "--pushgateway", SecretStr(secret) if secret is not None else None)


@pytest.mark.parametrize(
    "url",
    [
        "pushgateway:9091", "ftp://host/", "http://", "http://shop:hunter2hunter2@host/", "http://host/?key=hunter2hunter2",
        "http://host/#hunter2hunter2", "http://host:999999/", "http://ho st/", "file:///etc/passwd",
        "https://[:::::]", "https://[1]/", "http://[0:0:0:0:0:0:0:0:0]", "http://host:65536/",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_and_not_quoted(url: str) -> None:
    with pytest.raises(ConfigurationError, match="--pushgateway: this is no address of a server") as caught:
        address(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("secret", ["", "two words", "line\nline", "tökén"])
def test_what_is_no_token_is_refused_and_not_quoted(secret: str) -> None:
    with pytest.raises(ConfigurationError, match="this holds no token") as caught:
        address(secret=secret)
    assert not secret or secret not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "is_refused"),
    [
        ("http://push.example:9091", True), ("https://push.example", False), ("http://localhost:9091", False),
        ("http://127.0.0.1:9091", False), ("http://[::1]:9091", False), ("http://localhost.example", True),
    ],
)  # fmt: skip
def test_a_login_goes_over_https_or_to_this_machine(url: str, is_refused: bool) -> None:
    address(url, None)
    if is_refused:
        with pytest.raises(ConfigurationError, match="over http can be read"):
            address(url)
    else:
        assert address(url).url == url


def test_a_token_is_a_bearer_token_and_with_a_colon_it_is_a_basic_login() -> None:
    assert isinstance(address().login, TokenLogin)
    assert address(secret="shop:hunter2:x").login == ("shop", "hunter2:x")
    assert address(secret=None).login is None


def test_the_secret_is_in_no_representation_and_hidden_in_texts() -> None:
    made = address(secret=f"shop:{TOKEN}")
    assert TOKEN not in repr(made)
    assert TOKEN not in made.hide(f"no {TOKEN}")


def test_a_slash_at_the_end_does_not_count() -> None:
    assert address("https://push.example/prefix/").url == "https://push.example/prefix"


def test_a_token_file_is_read_without_its_end_of_line(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    found = secret_in(str(file))
    assert found is not None
    assert found.get_secret_value() == TOKEN
    assert secret_in(None) is None


def test_a_token_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="token cannot be read: No such file or directory"):
        secret_in(str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match="token cannot be read"):
        secret_in(str(tmp_path))
