"""Where a commit can be seen on the web."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.build.commit_pages import checked_prefix, commit_pages

GITHUB = {"GITHUB_SERVER_URL": "https://git.example.com", "GITHUB_REPOSITORY": "octo/shop"}


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://github.com/octo/shop.git", "https://github.com/octo/shop/commit/"),
        ("https://github.com/octo/shop", "https://github.com/octo/shop/commit/"),
        ("git@github.com:octo/shop.git", "https://github.com/octo/shop/commit/"),
        ("ssh://git@github.com/octo/shop.git", "https://github.com/octo/shop/commit/"),
        ("ssh://git@ssh.github.com:443/octo/shop.git", "https://ssh.github.com/octo/shop/commit/"),
        ("https://github.example.com/octo/shop.git", "https://github.example.com/octo/shop/commit/"),
        ("https://gitlab.com/group/sub/shop.git", "https://gitlab.com/group/sub/shop/-/commit/"),
        ("git@gitlab.example.com:group/shop.git", "https://gitlab.example.com/group/shop/-/commit/"),
        ("https://codeberg.org/octo/shop.git", "https://codeberg.org/octo/shop/commit/"),
        ("https://forgejo.example.com:3000/octo/shop.git", "https://forgejo.example.com:3000/octo/shop/commit/"),
        ("https://x-access-token:ghs_secret@github.com/octo/shop.git", "https://github.com/octo/shop/commit/"),
        ('https://github.com/octo/a"><script>.git', "https://github.com/octo/a%22%3E%3Cscript%3E/commit/"),
        ("git@github.com:octo/a?b#c.git", "https://github.com/octo/a%3Fb%23c/commit/"),
        ("https://git.example.com/octo/shop.git", None),
        ("/srv/git/github.com/shop.git", None),
        ("file:///srv/gitlab/shop.git", None),
        ("javascript:alert(1)//github.com", None),
        ("https://github.com:99999999/octo/shop", None),
        ("https://[github/octo", None),
        ("", None),
        (None, None),
    ],
)
def test_the_address_follows_from_the_remote(remote: str | None, expected: str | None) -> None:
    assert commit_pages(remote, {}) == expected


def test_the_server_of_the_job_comes_first() -> None:
    assert commit_pages("git@elsewhere:x", GITHUB) == "https://git.example.com/octo/shop/commit/"
    gitlab = {"CI_PROJECT_URL": "https://code.example.com/group/shop"}
    assert commit_pages(None, gitlab) == "https://code.example.com/group/shop/-/commit/"
    assert commit_pages(None, {"CI_PROJECT_URL": "javascript:alert(1)"}) is None


@pytest.mark.parametrize(
    "address",
    [
        "https://git.kernel.org/pub/scm/linux.git/commit/?id=",
        "https://git.example.com/?p=shop.git;a=commit;h=",
        "https://git.example.com/view?repo=octo/shop&commit=",
        "https://git.example.com/app#/commit/",
    ],
)
def test_a_query_of_cgit_or_gitweb_is_kept(address: str) -> None:
    assert checked_prefix(address) == address


@pytest.mark.thorough
@given(
    st.text(max_size=80),
    st.sampled_from(
        ["", "https://github.com/", "https://git.example.com/?", "git@gitlab.com:", "javascript:", "https://"]
    ),
)
def test_whatever_comes_in_only_web_addresses_without_logins_come_out(text: str, start: str) -> None:
    for found in (commit_pages(start + text, {}), checked_prefix(start + text)):
        if found is not None:
            assert found.startswith(("https://", "http://"))
            assert not {'"', "<", ">", "@", " ", "\\", "'"} & set(found)
