"""What git's settings hold of secrets: logins in addresses, and headers as actions/checkout sets them."""

from collections.abc import Iterator

from membudget.core.masking import login_in, login_in_base64


def secrets_in(settings: str) -> Iterator[str]:
    """Of the output of `git config --list -z`.

    Source: git-config(1), `http.extraHeader`, `http.proxy`, `remote.<name>.url` and `url.<base>.insteadOf`.
    """
    for setting in settings.split("\0"):
        key, _, value = setting.partition("\n")
        yield from login_in(value)
        yield from login_in(key.removeprefix("url.").removesuffix(".insteadof").removesuffix(".pushinsteadof"))
        if key.lower().endswith(".extraheader"):
            yield from _in_header(value)


def _in_header(header: str) -> Iterator[str]:
    """What authorizes: a token, or the Base64 of user and password, and what that says."""
    credential = header.partition(":")[2].rpartition(" ")[2]
    yield credential
    yield from login_in_base64(credential)
