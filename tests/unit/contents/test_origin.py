"""Smaller variants of a base image, and what one would save."""

import pytest

from membudget.contents.dockerfile import parse_dockerfile
from membudget.contents.image import ImageConfig
from membudget.contents.origin import BaseImage, BaseVariant, base_of, variants
from membudget.contents.savings import HintKind, hints
from tests.unit.contents.archives import file, tar
from tests.unit.contents.stacks import merged

DIGEST = "@sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("python:3.12-bookworm", ("python:3.12-slim-bookworm", "python:3.12-bookworm-slim")),
        ("node:22", ("node:22-slim",)),
        ("debian:bookworm", ("debian:bookworm-slim",)),
        (f"debian:trixie{DIGEST}", ("debian:trixie-slim",)),
        ("python", ("python:latest-slim", "python:slim")),
        ("localhost:5000/team/ruby:3.4", ("localhost:5000/team/ruby:3.4-slim",)),
        ("localhost:5000/ruby", ("localhost:5000/ruby:latest-slim", "localhost:5000/ruby:slim")),
        ("eclipse-temurin:21-jdk-noble", ("eclipse-temurin:21-jre-noble",)),
        ("mcr.example/dotnet/sdk:8.0", ("mcr.example/dotnet/aspnet:8.0", "mcr.example/dotnet/runtime:8.0")),
        ("python:3.12-slim", ()),
        ("node:22-alpine3.20", ()),
        ("eclipse-temurin:21-jre", ()),
        ("no reference at all", ()),
    ],
)
def test_variants_have_the_names_that_official_images_give_them(reference: str, expected: tuple[str, ...]) -> None:
    assert variants(reference) == expected


def config(**labels: str) -> ImageConfig:
    return ImageConfig("linux/amd64", (), (), {key.replace("_", "."): value for key, value in labels.items()})


def test_the_base_is_what_the_first_stage_of_the_chain_is_from() -> None:
    text = "ARG TAG=22\nFROM golang AS build\nFROM node:${TAG} AS common\nFROM common\nCOPY --from=build /a /\n"
    assert base_of(config(), parse_dockerfile(text), None) == BaseImage("node:22", 3)
    assert base_of(config(), parse_dockerfile(text), "build") == BaseImage("golang", 2)
    assert base_of(config(org_opencontainers_image_base_name="debian:12"), None, None) == BaseImage("debian:12", None)


@pytest.mark.parametrize("text", ["FROM scratch\n", "FROM $UNKNOWN\n", ""])
def test_a_base_that_is_none_or_not_known(text: str) -> None:
    assert base_of(config(), parse_dockerfile(text) if text else None, None) is None


def test_what_a_smaller_base_would_save() -> None:
    image = merged(tar([file("os", b"o" * 5000)]), tar([file("app", b"a" * 1000)]), inherited=1)
    (hint,) = hints(image, BaseVariant(BaseImage("debian:12", 3), "debian:12-slim", 1800))
    assert (hint.kind, hint.saves_bytes, hint.example) == (HintKind.SMALLER_BASE, 3200, "debian:12-slim")
    assert hint.dockerfile_lines == (3, 3)
    assert hints(image, BaseVariant(BaseImage("debian:12", 3), "debian:12-slim", 4990)) == (), "less than a hundredth"
    assert hints(image, BaseVariant(BaseImage("debian:12", 3), "debian:12-slim", 9000)) == (), "larger"
