"""A check names an image that its budgets file does not have."""

from pathlib import Path

import pytest

from membudget.build.git import GitRepository
from membudget.build.revision import BaseRequest
from membudget.cli.request import Wanted, check_request
from membudget.core.errors import ConfigurationError
from tests.support.repository import Repository

BUDGETS = 'version = 1\n[defaults]\nlimit = "64MiB"\n[images.api]\n[images.web]\n'


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("apy",), "--image apy: FILE defines no such image; did you mean api? (there: api, web)"),
        (("api", "wbe", "zzz"), "--image wbe, zzz: FILE defines no such image; did you mean web? (there: api, web)"),
        (("zzz",), "--image zzz: FILE defines no such image (there: api, web)"),
    ],
)
def test_an_unknown_image_is_answered_with_what_was_probably_meant(
    tmp_path: Path, names: tuple[str, ...], message: str
) -> None:
    work = Repository.new(tmp_path / "work")
    work.commit("Base", {"budgets.toml": BUDGETS, "Dockerfile": "FROM scratch\n"})
    file = work.folder / "budgets.toml"
    with pytest.raises(ConfigurationError) as caught:
        check_request(GitRepository(work.folder), Wanted(file, BaseRequest(none=True), only=names), None)
    assert str(caught.value) == message.replace("FILE", str(file))
