"""Dockerfiles, and which of their lines made each layer."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from membudget.contents.dockerfile import parse_dockerfile
from membudget.contents.image import HistoryEntry, ImageConfig
from membudget.contents.origin import LayerOrigin, OriginSource, layer_origins
from membudget.contents.provenance import parse_provenance

DOCKERFILE = """\
# syntax=docker/dockerfile:1
ARG BASE=debian
FROM ${BASE}:bookworm AS build
RUN apt-get update && \\
    # a comment within
    apt-get install -y gcc

COPY . /src
RUN <<EOF
FROM nowhere
make
EOF

FROM python:3.12-slim AS runtime
ENV A=1
RUN --mount=type=cache,target=/root/.cache pip install pandas
FROM runtime
WORKDIR /app
COPY --from=build --chown=1:1 /src/out /app
RUN chmod -R a+r /app
CMD ["run"]
"""
BASE_HISTORY = [("/bin/sh -c #(nop) ADD file:1 in / ", False), ('/bin/sh -c #(nop)  CMD ["python3"]', True)]
BUILDKIT = [
    ("ENV A=1", True),
    ("RUN /bin/sh -c pip install pandas # buildkit", False),
    ("WORKDIR /app", False),
    ("COPY /src/out /app # buildkit", False),
    ("RUN /bin/sh -c chmod -R a+r /app # buildkit", False),
    ('CMD ["run"]', True),
]
CLASSIC = [
    ("/bin/sh -c #(nop)  ENV A=1", True),
    ("|1 BASE=a b /bin/sh -c pip install pandas", False),
    ("/bin/sh -c #(nop) WORKDIR /app", False),
    ("/bin/sh -c #(nop) COPY dir:0123 in /app ", False),
    ("/bin/sh -c chmod -R a+r /app", False),
    ('/bin/sh -c #(nop)  CMD ["run"]', True),
]


RECORDED = Path(__file__).parent / "recorded"
"""Of Docker 28.5 with buildx 0.29."""
RECORDED_HISTORY = [
    ("", False),
    ("ENV A=b", True),
    ("RUN /bin/sh -c mkdir /dir &&     head -c 2000000 /dev/urandom > /dir/file # buildkit", False),
    ("COPY /big /usr/local/big # buildkit", False),
    ("RUN /bin/sh -c chmod 600 /usr/local/big\ntouch /x\n # buildkit", False),
    ("RUN /bin/sh -c rm -rf /dir # buildkit", False),
    ("COPY Dockerfile /app/ # buildkit", False),
    ('CMD ["true"]', True),
]


def config(history: list[tuple[str, bool]], layers: int | None = None) -> ImageConfig:
    entries = tuple(HistoryEntry(text, is_empty) for text, is_empty in history)
    count = layers if layers is not None else sum(not is_empty for _, is_empty in history)
    return ImageConfig("linux/amd64", tuple(f"sha256:{number:064}" for number in range(count)), entries, {})


def test_stages_and_lines() -> None:
    dockerfile = parse_dockerfile(DOCKERFILE)
    assert [(stage.name, stage.base, stage.lines) for stage in dockerfile.stages] == [
        ("build", "debian:bookworm", (3, 12)),
        ("runtime", "python:3.12-slim", (14, 16)),
        (None, "runtime", (17, 21)),
    ]
    build = dockerfile.stages[0].instructions
    assert [(one.keyword, one.lines) for one in build] == [("RUN", (4, 6)), ("COPY", (8, 8)), ("RUN", (9, 12))]
    assert build[0].arguments == "apt-get update && apt-get install -y gcc"
    assert dockerfile.stages[2].instructions[1].flags == (("from", "build"), ("chown", "1:1"))
    assert [stage.base for stage in dockerfile.stage_chain()] == ["python:3.12-slim", "runtime"]
    assert [stage.name for stage in dockerfile.stage_chain("BUILD")] == ["build"]
    assert parse_dockerfile(DOCKERFILE, {"BASE": "ubuntu"}).stages[0].base == "ubuntu:bookworm"


def test_other_signs_of_continuation_and_ends_of_lines() -> None:
    text = "\ufeff# escape=`\r\nFROM a`\r\n  b\r\nRUN x `\r\n y\r\n"
    (stage,) = parse_dockerfile(text).stages
    assert (stage.lines, stage.instructions[0].arguments) == ((2, 5), "x y")


@pytest.mark.parametrize("history", [BUILDKIT, CLASSIC])
def test_each_layer_has_its_line(history: list[tuple[str, bool]]) -> None:
    origins = layer_origins(config([*BASE_HISTORY, *history]), parse_dockerfile(DOCKERFILE))
    assert [origin.is_inherited for origin in origins] == [True, False, False, False, False]
    assert [origin.dockerfile_lines for origin in origins] == [None, (16, 16), (18, 18), (19, 19), (20, 20)]
    assert origins[1].instruction == "RUN pip install pandas"
    assert (origins[3].from_stage, origins[3].stage_lines) == ("build", (3, 12))
    assert origins[3].instruction.startswith("COPY --from=build ")
    assert {origin.source for origin in origins} == {OriginSource.HISTORY}


def test_triggers_of_the_base_come_without_a_line() -> None:
    history = [*BASE_HISTORY, ("RUN /bin/sh -c npm install # buildkit", False), *BUILDKIT]
    origins = layer_origins(config(history), parse_dockerfile(DOCKERFILE))
    assert [origin.dockerfile_lines for origin in origins][:3] == [None, None, (16, 16)]


def test_a_dockerfile_that_is_of_another_image_says_nothing() -> None:
    origins = layer_origins(config([*BASE_HISTORY, *BUILDKIT]), parse_dockerfile("FROM x\nADD https://a /b\nUSER me\n"))
    assert {(origin.dockerfile_lines, origin.is_inherited) for origin in origins} == {(None, None)}


@pytest.mark.parametrize(
    "text",
    [
        "FROM debian AS base-amd64\nRUN install big\nFROM base-${TARGETARCH}\nCOPY app /app\n",
        "ARG KIND=prod\nARG LAST=stage-$KIND\nFROM debian AS stage-prod\nRUN install big\nFROM $LAST\nCOPY app /app\n",
    ],
)
def test_stages_whose_names_are_made_of_arguments(text: str) -> None:
    history = [("ADD base", False), ("RUN /bin/sh -c install big # buildkit", False), ("COPY app /app", False)]
    origins = layer_origins(config(history), parse_dockerfile(text, platform="linux/amd64"))
    assert [origin.is_inherited for origin in origins] == [True, False, False]
    assert all(origin.dockerfile_lines for origin in origins[1:])


@pytest.mark.thorough
@pytest.mark.parametrize(
    "text",
    [
        "# a = x" + " " * 500_000 + "y\nFROM x\n",
        "FROM " + "${a:-" * 200_000,
        "RUN <<A\n" * 100_000,
        "FROM x\nRUN " + "<<A " * 200_000,
        "FROM a AS a\n" * 80_000,
        "FROM x\nRUN " + "--a " * 200_000,
        "ARG A=xx\n"
        + "".join(f"ARG {'A' * (n + 1)}=${'A' * n}${'A' * n}\n" for n in range(1, 60))
        + f"FROM ${'A' * 60}",
    ],
    ids=["directive", "variable", "here-documents", "names", "stages", "flags", "doubling"],
)
def test_a_dockerfile_that_is_made_to_take_long_does_not(text: str) -> None:
    dockerfile = parse_dockerfile(text)
    assert len(dockerfile.stage_chain()) <= 1000
    assert all(len(stage.base) <= 4096 for stage in dockerfile.stages)


def test_from_scratch_nothing_is_inherited() -> None:
    origins = layer_origins(config([("COPY /x / # buildkit", False)]), parse_dockerfile("FROM scratch\nCOPY x /\n"))
    assert [(origin.is_inherited, origin.dockerfile_lines) for origin in origins] == [(False, (2, 2))]


def test_a_history_that_does_not_tell_layers_from_settings() -> None:
    assert layer_origins(config([], layers=2)) == (LayerOrigin("", None), LayerOrigin("", None))
    assert layer_origins(config([("", False)]))[0].instruction == ""


@pytest.mark.thorough
def test_thousands_of_steps_are_aligned_at_their_end() -> None:
    history = [(f"RUN /bin/sh -c step {number} # buildkit", False) for number in range(3000)]
    text = "FROM x\n" + "".join(f"RUN step {number}\n" for number in range(2900, 3000))
    origins = layer_origins(config(history), parse_dockerfile(text))
    assert origins[2999].dockerfile_lines == (101, 101)
    assert origins[2900].dockerfile_lines == (2, 2)
    assert origins[2899].is_inherited


@pytest.mark.thorough
def test_hundreds_of_long_steps_that_are_much_alike_take_no_minutes() -> None:
    words = " ".join(f"word-{number}" for number in range(60))
    history = [(f"RUN /bin/sh -c {words} step-{number} # buildkit", False) for number in range(400)]
    text = "FROM x\n" + "".join(f"RUN {words} step-{number}\n" for number in range(400))
    origins = layer_origins(config(history), parse_dockerfile(text))
    assert [origin.dockerfile_lines for origin in origins] == [(line, line) for line in range(2, 402)]


def provenance(version: str) -> object:
    layers = {
        "step1:0": [[{"digest": "sha256:a"}]],
        "step3:0": [[{"digest": "sha256:a"}, {"digest": "sha256:b"}]],
    }
    lines = {"step3": {"locations": [{"ranges": [{"start": {"line": 20}, "end": {"line": 20}}]}]}}
    found = {"source": {"locations": lines}, "layers": layers}
    if version == "v0.2":
        return {"buildx.build.provenance": {"metadata": {"https://mobyproject.org/buildkit@v1#metadata": found}}}
    return {"predicate": {"runDetails": {"metadata": {"buildkit_metadata": found}}}}


@pytest.mark.parametrize("version", ["v0.2", "v1"])
def test_buildkits_own_record_goes_before_the_history(version: str) -> None:
    history = [("ADD base", False), ("RUN /bin/sh -c something else # buildkit", False)]
    origins = layer_origins(config(history), parse_dockerfile(DOCKERFILE), None, parse_provenance(provenance(version)))
    assert (origins[1].dockerfile_lines, origins[1].source) == ((20, 20), OriginSource.PROVENANCE)
    assert origins[0].source is OriginSource.HISTORY


def test_the_layers_of_a_from_are_the_base_images() -> None:
    """As BuildKit 0.12 wrote it for FROM and COPY; what is of no interest is left out."""
    base = [{"digest": f"sha256:{number}"} for number in range(3)]
    locations = {
        "step0": {"locations": [{"ranges": [{"start": {"line": 1}, "end": {"line": 1}}]}]},
        "step1": {},
        "step2": {"locations": [{"ranges": [{"start": {"line": 2}, "end": {"line": 2}}]}]},
    }
    layers = {"step0:0": [base], "step2:0": [[*base, {"digest": "sha256:own"}]]}
    found = {"source": {"locations": locations}, "layers": layers}
    statement = {"predicate": {"metadata": {"https://mobyproject.org/buildkit@v1#metadata": found}}}
    history = [("ADD base", False), ("RUN /bin/sh -c a # buildkit", False), ("COPY b c", False), ("COPY x /x", False)]
    dockerfile = parse_dockerfile("FROM outside\nCOPY x /x\n")
    origins = layer_origins(config(history), dockerfile, None, parse_provenance(statement))
    assert [origin.is_inherited for origin in origins] == [True, True, True, False]
    assert [origin.dockerfile_lines for origin in origins] == [None, None, None, (2, 2)]
    assert {origin.source for origin in origins} == {OriginSource.PROVENANCE}


@pytest.mark.parametrize("source", list(OriginSource))
def test_what_a_real_builder_recorded_and_its_history_say_the_same(source: OriginSource) -> None:
    dockerfile = parse_dockerfile((RECORDED / "built-from.txt").read_text())
    metadata = json.loads((RECORDED / "buildx-0.29-metadata.json").read_text())
    provenance = parse_provenance(metadata) if source is OriginSource.PROVENANCE else None
    origins = layer_origins(config(RECORDED_HISTORY), dockerfile, None, provenance)
    assert [origin.dockerfile_lines for origin in origins] == [None, (8, 9), (10, 10), (11, 14), (15, 15), (16, 16)]
    assert [origin.is_inherited for origin in origins] == [True, *[False] * 5]
    assert {origin.source for origin in origins} == {source}
    assert (origins[2].instruction, origins[2].stage_lines) == ("COPY --from=build /big /usr/local/big", (2, 4))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["metadata", "predicate", "source", "locations", "layers", "ranges"]), inner)
    ),
    max_leaves=12,
)


@pytest.mark.thorough
@given(document=JSON)
def test_no_document_of_a_build_is_taken_for_granted(document: object) -> None:
    for said in (document, {"metadata": {"https://mobyproject.org/buildkit@v1#metadata": document}}):
        provenance = parse_provenance(said)
        if provenance is not None:
            assert all(0 < first <= last for first, last in provenance.lines.values())
            assert provenance.layer_lines(0) == ()


@pytest.mark.thorough
def test_a_record_in_records_without_end() -> None:
    document: object = {}
    for _ in range(100_000):
        document = {"predicate": document}
    assert parse_provenance(document) is None


WORDS = st.sampled_from(
    ["FROM a AS b", "FROM b", "RUN x", "RUN <<E", "E", "\\", "COPY --from=0 a b", "#", "", "ARG A=$A", "\0"]
)


@pytest.mark.thorough
@settings(max_examples=200, deadline=None)
@given(lines=st.lists(st.one_of(WORDS, st.text(max_size=20)), max_size=12), layers=st.integers(0, 5))
def test_no_dockerfile_is_too_odd(lines: list[str], layers: int) -> None:
    dockerfile = parse_dockerfile("\n".join(lines))
    history = [(f"RUN {line}", False) for line in lines[:layers]]
    made = config(history, layers)
    for target in (None, "b", "7"):
        assert len(layer_origins(made, dockerfile, target)) == layers
