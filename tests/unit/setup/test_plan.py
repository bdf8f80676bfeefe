from dataclasses import replace

import pytest

from membudget.core.quantities import MIB
from membudget.setup.found import (
    BakeTarget,
    BuildDefinition,
    ComposeService,
    Deployed,
    Fact,
    FoundImage,
    HealthProbe,
    Origin,
)
from membudget.setup.made_up import MADE_UP
from membudget.setup.plan import plan, plans

AT = Origin("Dockerfile", 3)
BUILD = BuildDefinition("api", "services/api", "services/api/Dockerfile", Origin("services/api/Dockerfile", 1))


def names(found: FoundImage) -> list[str]:
    return [way.name for way in plan(found).ways]


def test_a_path_that_is_probed_is_requested_and_then_the_port_alone() -> None:
    found = FoundImage("api", BUILD, ports=(Fact(8080, AT),), probes=(Fact(HealthProbe("/health", 8081), AT),))
    assert names(found) == [
        "100 requests for /health",
        "idle for 3s once port 8080 answers",
        "100 requests for /",
        "idle for 3s",
    ]
    spec = plan(found).spec(plan(found).ways[0])
    assert (spec.workload.kind, spec.workload.readiness and spec.workload.readiness.http) == ("http", "/health")


def test_an_image_of_a_bake_file_is_written_with_it_and_built_without() -> None:
    build = replace(BUILD, origin=Origin("ci/docker-bake.hcl", 4), target="final", bake=BakeTarget("api", "."))
    planned = plan(FoundImage("api", build))
    assert planned.build.value == {"bake": "ci/docker-bake.hcl", "target": "api", "context": "."}
    spec = planned.spec(planned.ways[0])
    assert (spec.build.bake, spec.build.context, spec.build.target) == (None, "services/api", "final")


def test_a_healthcheck_without_an_address_tells_when_it_is_ready() -> None:
    found = FoundImage("api", BUILD, probes=(Fact(HealthProbe(), AT),))
    assert names(found) == ["100 requests for /", "idle for 3s once healthy", "idle for 3s"]
    readiness = plan(found).spec(plan(found).ways[1]).workload.readiness
    assert readiness is not None
    assert readiness.healthcheck


def test_a_port_that_is_probed_is_waited_for_once() -> None:
    found = FoundImage("api", BUILD, ports=(Fact(8080, AT),), probes=(Fact(HealthProbe(None, 8080), AT),))
    assert names(found)[1:] == ["idle for 3s once port 8080 answers", "100 requests for /", "idle for 3s"]


def test_a_job_runs_to_its_end() -> None:
    (way,) = plan(FoundImage("api", BUILD, runs_to_end=AT)).ways
    assert way.runs_to_end
    assert way.workload[0].comment == ("from Dockerfile:3: it runs to its end",)


def test_an_image_that_nothing_tells_about_may_listen_somewhere() -> None:
    unknown = plan(FoundImage("api", BUILD))
    assert [(way.finds_port, way.is_guess) for way in unknown.ways] == [(True, True), (False, False)]
    assert unknown.likely_way.name == "idle for 3s"
    found = unknown.ways[0].with_port(8080)
    assert [(setting.key, setting.value) for setting in found.workload[:2]] == [("kind", "http"), ("port", 8080)]
    assert not found.finds_port


def test_a_compose_service_runs_with_its_file_first() -> None:
    service = ComposeService(BUILD, Deployed(("the_api",), Origin("compose.yaml", 4)), "the_api", needs_its_file=True)
    ways = plan(FoundImage("api", BUILD, compose=service, is_service=True)).ways
    places = [way.around.value if way.around else None for way in ways]
    assert places == [*[{"file": "compose.yaml", "service": "the_api"}] * 2, None, None]


def test_what_stands_in_for_uncommitted_files_is_written_and_told() -> None:
    service = ComposeService(
        BUILD,
        Deployed(("api",), Origin("deploy/compose.yaml", 4)),
        "api",
        needs_its_file=True,
        stand_ins={"deploy/.env": "deploy/.env.example", "deploy/certs": False},
        remarks=("deploy/.env is not committed: deploy/.env.example takes its place",),
    )
    way = plan(FoundImage("api", BUILD, compose=service, is_service=True)).ways[0]
    assert way.around is not None
    assert way.around.value == {
        "file": "deploy/compose.yaml",
        "stand_ins": {"deploy/.env": "deploy/.env.example", "deploy/certs": False},
    }
    assert "takes its place" in way.around.comment[1]


def test_a_path_with_controls_is_not_requested() -> None:
    found = FoundImage(
        "api", BUILD, probes=(Fact(HealthProbe("/a\x1b[31m", 80), AT), Fact(HealthProbe("no-slash", 80), AT))
    )
    assert names(found) == ["100 requests for /", "idle for 3s"]


def test_a_path_with_a_token_is_not_requested() -> None:
    assert (
        names(FoundImage("api", BUILD, probes=(Fact(HealthProbe("/health?token=hunter2", 80), AT),)))[-1]
        == "idle for 3s"
    )


def test_secrets_among_build_arguments_are_made_up_with_a_todo() -> None:
    build = plan(FoundImage("api", replace(BUILD, args={"NPM_TOKEN": "hunter2", "LEVEL": "1"}))).build
    assert build.value == {"context": "services/api", "args": {"NPM_TOKEN": MADE_UP, "LEVEL": "1"}}
    assert build.comment[1:] == ("TODO: made up, because what is written there may be secret: NPM_TOKEN",)


def test_a_build_says_only_what_differs() -> None:
    assert plan(FoundImage("api", BUILD)).build.value == {"context": "services/api"}
    other = BuildDefinition("api", "services/api", "docker/api.Dockerfile", AT, "final", {"A": "1"})
    assert plan(FoundImage("api", other)).build.value == {
        "context": "services/api",
        "dockerfile": "../../docker/api.Dockerfile",
        "target": "final",
        "args": {"A": "1"},
    }


def test_every_way_is_a_valid_image() -> None:
    found = FoundImage(
        "api", BUILD, Fact(64 * MIB, AT), (Fact(80, AT),), (Fact(HealthProbe("/x", 80), AT), Fact(HealthProbe(), AT))
    )
    planned = plan(found)
    assert [planned.spec(way).limit for way in planned.ways] == [256 * MIB] * 5


def test_a_port_of_the_web_is_asked_for_its_front_page_and_one_of_a_database_is_not() -> None:
    assert names(FoundImage("api", BUILD, ports=(Fact(8080, AT),))) == [
        "100 requests for /",
        "idle for 3s once port 8080 answers",
        "100 requests for /",
        "idle for 3s",
    ]
    assert names(FoundImage("api", BUILD, ports=(Fact(5432, AT),)))[0] == "idle for 3s once port 5432 answers"
    assert plan(FoundImage("api", BUILD, ports=(Fact(8080, AT),))).likely_way.name != "100 requests for /"


def test_variables_that_are_deployed_are_tried_before_none() -> None:
    found = FoundImage("api", BUILD, variables=Fact({"PORT": "80", "no-name": "x"}, AT), is_service=True)
    ways = plan(found).ways
    assert [way.around.value if way.around else None for way in ways] == [*[{"env": {"PORT": "80"}}] * 2, None, None]
    assert plan(found).spec(ways[0]).container.env == {"PORT": "80"}


def test_variables_without_a_value_are_named() -> None:
    found = FoundImage(
        "api",
        BUILD,
        variables=Fact({"PORT": "80"}, AT),
        unknown_variables=Fact(("DATABASE_URL", "all of the secret smtp"), AT),
    )
    way = plan(found).ways[0]
    assert way.around is not None
    assert way.around.comment[-1] == (
        "no value in the repository, so it runs without them (Dockerfile:3): DATABASE_URL, all of the secret smtp"
    )


@pytest.mark.parametrize(
    "image",
    [
        FoundImage("api", replace(BUILD, args={"A": "\ud800"})),
        FoundImage("api", replace(BUILD, context="x" * 5000)),
    ],
)
def test_an_image_that_no_budgets_file_can_describe_is_skipped(image: FoundImage) -> None:
    planned, skipped = plans([image, FoundImage("web", BUILD)])
    assert [one.name for one in planned] == ["web"]
    assert [one.path for one in skipped] == ["services/api/Dockerfile"]


def test_a_way_that_no_budgets_file_can_describe_is_left_out() -> None:
    long = "/" + "x" * 5000
    found = FoundImage(
        "api",
        BUILD,
        probes=(Fact(HealthProbe(long, 80), AT),),
        variables=Fact({"A": "x" * 40_000}, AT),
        is_service=True,
    )
    ((planned,), skipped) = plans([found])
    assert [(way.name, way.around) for way in planned.ways] == [("100 requests for /", None), ("idle for 3s", None)]
    assert skipped == []
