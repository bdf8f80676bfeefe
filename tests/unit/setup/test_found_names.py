import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from membudget.budgets.fields import ImageName
from membudget.setup.found import image_name, last_part, unused_name


@pytest.mark.parametrize(
    ("text", "name"),
    [("api", "api"), ("API_v2", "api-v2"), ("my.service", "my-service"), ("a\nb\x1b[31m", "a-b-31m"), ("", "image"),
     ("---", "image"), ("../../etc", "etc")],
)  # fmt: skip
def test_names_are_made_allowed(text: str, name: str) -> None:
    assert image_name(text) == name


@pytest.mark.thorough
@given(st.text())
def test_every_text_becomes_an_allowed_name(text: str) -> None:
    assert TypeAdapter(ImageName).validate_python(image_name(text))


def test_a_name_that_is_taken_gets_longer_or_a_number() -> None:
    assert unused_name("api", "shop/api", {"web"}) == "api"
    assert unused_name("api", "shop/api", {"api"}) == "shop-api"
    assert unused_name("api", "shop/api", {"api", "shop-api"}) == "api-2"


@pytest.mark.parametrize(
    ("reference", "part"),
    [("registry.example.com:5000/shop/api:1.2", "api"), ("api@sha256:abc", "api"), ("API", "api"),
     ("shop/${NAME}", None), ("shop/api:${TAG}", "api"), ("", None), ("a\nb/c", "c")],
)  # fmt: skip
def test_the_last_part_of_a_reference_names_the_image(reference: str, part: str | None) -> None:
    assert last_part(reference) == part
