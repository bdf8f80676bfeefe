"""What looks installed, and is the service's own code all the same."""

import pytest

from membudget.check.own_code import looks_installed, with_own_code
from membudget.measure.profiling.heap_profile import Frame, HeapProfile, ProfiledBy

PATHS = (
    "services/api/src/shop/store.py",
    "services/api/src/single.py",
    "services/api/top.py",
    "services/api/deep/six.py",
    "services/api/vendor/requests/api.py",
    "packages/cart/lib/cart.js",
    "packages/@acme/mail/lib/mail.js",
    "src/common/index.js",
    "typings/yaml/loader.py",
    "tools/stubs/redis/client.py",
    "src/pip/_vendor/idna/core.py",
    "src/vendored/attr/make.py",
    "src/shop/stubs/bank.py",
    "gems/stock/lib/stock.rb",
    "src/main/java/org/springframework/samples/Owner.java",
    "http/server.py",
)


def is_library(file: str | None, folder: str = ".", *, marked: bool = True) -> bool:
    frame = Frame("f", file, 3, is_library=marked)
    profile = HeapProfile.of(ProfiledBy.TRACEMALLOC, [((frame,), 5)])
    return with_own_code(profile, PATHS, folder).frames[0].is_library


@pytest.mark.parametrize(
    "file",
    [
        "/usr/local/lib/python3.12/site-packages/shop/store.py",
        "/app/.venv/lib/python3.12/site-packages/shop/store.py",
        "/usr/lib/python3/dist-packages/shop/store.py",
        "/app/node_modules/cart/lib/cart.js",
        "/app/node_modules/@acme/mail/lib/mail.js",
        "/app/node_modules/.pnpm/@acme+mail@file/node_modules/@acme/mail/lib/mail.js",
        "/usr/local/lib/python3.12/site-packages/shop/stubs/bank.py",
        "/usr/local/bundle/gems/stock-1.2.0/lib/stock.rb",
        "/app/gems/stock/lib/stock.rb",
        "org/springframework/samples/Owner.java",
    ],
)
def test_an_installed_file_of_the_repository_is_own_code(file: str) -> None:
    assert not is_library(file)


@pytest.mark.parametrize(
    "file",
    [
        "/usr/local/lib/python3.12/site-packages/store.py",
        "/usr/local/lib/python3.12/site-packages/other/shop/store.py",
        "/usr/local/lib/python3.12/site-packages/six.py",
        "/usr/local/lib/python3.12/site-packages/requests/api.py",
        "/usr/local/lib/python3.12/http/server.py",
        "/app/node_modules/express/lib/cart.js",
        "/app/node_modules/@nestjs/common/index.js",
        "/app/node_modules/@acme/cart/lib/cart.js",
        "/usr/local/lib/python3.12/site-packages/yaml/loader.py",
        "/usr/local/lib/python3.12/site-packages/redis/client.py",
        "/usr/local/lib/python3.12/site-packages/idna/core.py",
        "/usr/local/lib/python3.12/site-packages/attr/make.py",
        "/usr/local/bundle/gems/rack-3.0/lib/stock.rb",
        "org/springframework/Owner.java",
        "node:net",
        "",
        None,
    ],
)
def test_code_that_the_repository_does_not_have_stays_a_librarys(file: str | None) -> None:
    assert is_library(file)


def test_a_module_of_one_file_is_own_code_at_the_top_or_in_src() -> None:
    for name in ("single.py", "top.py"):
        assert not is_library(f"/usr/lib/python3/site-packages/{name}", "services/api")
        assert is_library(f"/usr/lib/python3/site-packages/{name}", ".")


def test_only_files_of_the_build_context_are_own_code() -> None:
    assert is_library("/usr/lib/python3/site-packages/shop/store.py", "services/mail")
    assert not is_library("/usr/lib/python3/site-packages/shop/store.py", "services/api")


def test_own_code_stays_own_code() -> None:
    assert not is_library("/elsewhere/load.py", marked=False)


def test_what_the_runtime_brings_is_not_looked_up() -> None:
    def looks(file: str, *, marked: bool = True) -> bool:
        frame = Frame("f", file, 3, is_library=marked)
        return looks_installed(HeapProfile.of(ProfiledBy.TRACEMALLOC, [((frame,), 5)]))

    assert not looks("/usr/local/lib/python3.12/json/decoder.py")
    assert not looks("/usr/lib/python3/site-packages/shop/store.py", marked=False)
    assert looks("/usr/lib/python3/site-packages/shop/store.py")


@pytest.mark.thorough
def test_many_files_of_one_name_are_not_compared_one_by_one() -> None:
    site = "/usr/lib/python3/site-packages"
    frames = [Frame("f", f"{site}/a{number}/__init__.py", 1, is_library=True) for number in range(12_000)]
    profile = HeapProfile.of(ProfiledBy.TRACEMALLOC, [(tuple(frames[at : at + 40]), 1) for at in range(0, 12_000, 40)])
    paths = [f"src/a{number}/__init__.py" for number in range(60_000)]
    assert not any(frame.is_library for frame in with_own_code(profile, paths, ".").frames)
