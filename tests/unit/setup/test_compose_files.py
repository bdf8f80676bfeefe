from membudget.core.quantities import MIB
from membudget.setup.compose_files import read_compose_files
from membudget.setup.found import ComposeService, Fact, HealthProbe, Origin
from membudget.setup.repository import RepositoryFiles
from tests.unit.setup.conftest import MakeFiles

WEB = """\
services:
  web:
    build:
      context: web
      dockerfile: Dockerfile.web
      target: final
      args: {VERSION: "1", SECRET: "${SECRET}"}
    image: example.com/shop/front:${TAG:-latest}
    ports: ["127.0.0.1:80:8080/tcp", "9000", "53:53/udp", {target: 8443}]
    depends_on: [db]
    mem_limit: 96m
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:8080/health"]
  db:
    image: postgres
"""


def only(files: RepositoryFiles) -> ComposeService:
    (service,) = read_compose_files(files)
    return service


def test_a_service_with_a_build_is_read(make_files: MakeFiles) -> None:
    web = only(make_files({"compose.yaml": WEB, "web/Dockerfile.web": ""}))
    assert (web.service, web.needs_its_file) == ("web", True)
    assert (web.build.context, web.build.dockerfile, web.build.target) == ("web", "web/Dockerfile.web", "final")
    assert web.build.args == {"VERSION": "1"}, "what a variable sets is left to its default"
    assert web.build.aliases == {"front"}
    assert [port.value for port in web.deployed.ports] == [8080, 9000, 8443]
    assert web.deployed.limit == Fact(96 * MIB, Origin("compose.yaml", 11))
    assert [probe.value for probe in web.deployed.probes] == [HealthProbe("/health", 8080)]


def test_a_service_of_profiles_for_tests_is_no_image(make_files: MakeFiles) -> None:
    text = "services:\n  web: {build: ., profiles: [prod, test]}\n  e2e: {build: ., profiles: [test, ci]}\n"
    files = make_files({"compose.yaml": text, "Dockerfile": ""})
    assert only(files).service == "web"
    assert files.skipped[0].reason == "the service e2e has only profiles for development or tests: test, ci"


def test_a_variant_of_a_file_adds_only_services_of_its_own(make_files: MakeFiles) -> None:
    files = make_files({
        "compose.yaml": "services: {web: {build: api}}\n", "api/Dockerfile": "", "Dockerfile": "",
        "compose.override.yaml": "services: {web: {build: {target: dev}}, more: {build: .}}\n",
    })  # fmt: skip
    assert [one.service for one in read_compose_files(files)] == ["web", "more"]
    assert files.skipped == []


def test_the_command_of_a_service_tells_its_port(make_files: MakeFiles) -> None:
    text = "services: {web: {build: ., command: gunicorn -b 0.0.0.0:8000 app}}\n"
    port = only(make_files({"compose.yaml": text, "Dockerfile": ""})).deployed.ports[0]
    assert (port.value, port.origin.line) == (8000, 1)


def test_the_limit_of_deploy_counts_before_mem_limit(make_files: MakeFiles) -> None:
    text = "services: {a: {build: ., mem_limit: 1g, deploy: {resources: {limits: {memory: '${M:-64M}'}}}}}\n"
    limit = only(make_files({"compose.yaml": text, "Dockerfile": ""})).deployed.limit
    assert limit is not None
    assert limit.value == 64 * MIB


def test_a_service_that_another_awaits_runs_to_its_end(make_files: MakeFiles) -> None:
    text = """\
services:
  migrate: {build: .}
  web: {build: ., depends_on: {migrate: {condition: service_completed_successfully}}}
"""
    migrate, web = read_compose_files(make_files({"compose.yaml": text, "Dockerfile": ""}))
    assert (migrate.deployed.runs_to_end, web.deployed.runs_to_end) == (True, False)
    assert (migrate.needs_its_file, web.needs_its_file) == (False, True)


def test_the_usual_file_comes_before_its_variants(make_files: MakeFiles) -> None:
    text = "services: {{a: {{build: ., mem_limit: {}}}}}\n"
    files = make_files({
        "docker-compose.dev.yml": text.format("1g"), "compose.yaml": text.format("64m"), "Dockerfile": "",
    })  # fmt: skip
    limit = only(files).deployed.limit
    assert limit is not None
    assert limit.origin.path == "compose.yaml"


def test_paths_count_from_the_folder_of_the_file(make_files: MakeFiles) -> None:
    text = "services: {a: {build: ../api}}\n"
    assert only(make_files({"deploy/compose.yml": text, "api/Dockerfile": ""})).build.dockerfile == "api/Dockerfile"


def test_what_cannot_be_built_is_skipped_with_its_reason(make_files: MakeFiles) -> None:
    text = """\
services:
  out: {build: ../../elsewhere}
  absolute: {build: /etc}
  remote: {build: "https://example.com/repository.git"}
  inline: {build: {dockerfile_inline: FROM scratch}}
  "a\\nb": {build: .}
"""
    files = make_files({"compose.yaml": text, "Dockerfile": ""})
    assert read_compose_files(files) == []
    assert len(files.skipped) == 5


def test_a_bomb_is_not_expanded(make_files: MakeFiles) -> None:
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]\n" for n in range(1, 30))
    text = f"l0: &l0 [80]\n{levels}services: {{a: {{build: ., ports: *l29, environment: *l29}}}}\n"
    assert only(make_files({"compose.yaml": text, "Dockerfile": ""})).deployed.ports == ()


def test_forms_that_are_not_expected_are_left_out(make_files: MakeFiles) -> None:
    for text in ("services: 1\n", "[]\n", "services: {a: 1, b: [], c: {build: []}}\n", "a: &a {b: *a}\n"):
        assert read_compose_files(make_files({"compose.yaml": text})) == []
