import time

import pytest

from membudget.setup.dockerfiles import asked_by, definition_of, facts_of, names_of, ports_in_command, read_dockerfile
from membudget.setup.found import Fact, HealthProbe, Origin
from tests.unit.setup.conftest import MakeFiles


@pytest.mark.parametrize(
    "name", ["Dockerfile", "Dockerfile.worker", "dockerfile", "worker.Dockerfile", "Containerfile", "Dockerfile-dev"]
)
def test_files_named_like_a_dockerfile_are_found(name: str, make_files: MakeFiles) -> None:
    assert names_of(make_files({f"a/{name}": ""})) == [f"a/{name}"]


@pytest.mark.parametrize(
    "name",
    ["Dockerfile.dockerignore", "Dockerfile.j2", "Dockerfile.md", "MyDockerfile", "Dockerfiles", ".dockerignore"],
)
def test_others_are_not(name: str, make_files: MakeFiles) -> None:
    assert names_of(make_files({name: ""})) == []


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("Dockerfile", "shop"), ("Dockerfile.worker", "worker"), ("apps/api/Dockerfile", "api"),
        ("apps/api/worker.Dockerfile", "worker"), ("apps/api/Dockerfile.prod", "api"),
        ("apps/api/docker/Dockerfile", "api"), ("docker/Dockerfile", "shop"),
    ],
)  # fmt: skip
def test_an_image_is_named_after_its_dockerfile_or_folder(path: str, name: str, make_files: MakeFiles) -> None:
    files = make_files({path: "FROM scratch\n"})
    parsed = read_dockerfile(files, path)
    assert parsed is not None
    assert definition_of(files, path, parsed, "Shop").name == name


@pytest.mark.parametrize(
    ("copied", "context"),
    [
        ("server.py", "apps/api"), ("libs/common apps/api/server.py", "."), ("missing.py", "apps/api"),
        ("libs/*/common.py", "."), ("--from=build /out", "apps/api"), ("$FILE", "apps/api"), ('["libs", "/"]', "."),
        ("api/server.py", "apps"), ("../../../etc/passwd", "apps/api"), ("/server.py", "apps/api"),
    ],
)  # fmt: skip
def test_the_context_is_the_nearest_folder_that_has_what_is_copied(
    copied: str, context: str, make_files: MakeFiles
) -> None:
    text = f"FROM scratch\nCOPY {copied}{'' if copied.startswith('[') else ' /'}\n"
    files = make_files({"apps/api/Dockerfile": text, "apps/api/server.py": "", "libs/common/common.py": ""})
    parsed = read_dockerfile(files, "apps/api/Dockerfile")
    assert parsed is not None
    assert definition_of(files, "apps/api/Dockerfile", parsed, "shop").context == context


def facts(make_files: MakeFiles, text: str, target: str | None = None) -> tuple[list[int], HealthProbe | None]:
    files = make_files({"Dockerfile": text})
    parsed = read_dockerfile(files, "Dockerfile")
    assert parsed is not None
    found = facts_of(parsed, "Dockerfile", target)
    return [port.value for port in found.ports], found.probe.value if found.probe is not None else None


def test_ports_are_read_with_their_variables(make_files: MakeFiles) -> None:
    text = "FROM scratch\nARG A=81\nENV PORT=8080 B=1\nEXPOSE 80/tcp 53/udp $PORT ${A} ${C:-82} ${MISSING} 99999\n"
    assert facts(make_files, text)[0] == [80, 8080, 81, 82]


def test_stages_below_count_and_others_do_not(make_files: MakeFiles) -> None:
    text = "FROM scratch AS a\nEXPOSE 1\nFROM scratch AS b\nEXPOSE 2\nFROM a\nEXPOSE 3\n"
    assert facts(make_files, text)[0] == [1, 3]
    assert facts(make_files, text, "b")[0] == [2]


@pytest.mark.parametrize(
    ("check", "probe"),
    [
        ("CMD curl -f http://localhost:8080/health || exit 1", HealthProbe("/health", 8080)),
        ('--interval=5s CMD ["curl", "http://127.0.0.1:9000/up"]', HealthProbe("/up", 9000)),
        ("CMD wget -q http://localhost/", HealthProbe("/", 80)),
        ("CMD curl http://localhost:$PORT/x", HealthProbe("/x", 8080)),
        ("CMD pg_isready", HealthProbe()),
        ("CMD curl https://localhost/health", HealthProbe()),
        ("NONE", None),
    ],
)
def test_a_healthcheck_tells_what_it_asks(check: str, probe: HealthProbe | None, make_files: MakeFiles) -> None:
    assert facts(make_files, f"FROM scratch\nENV PORT=8080\nHEALTHCHECK {check}\n")[1] == probe


def test_variables_that_name_others_are_followed(make_files: MakeFiles) -> None:
    text = (
        "FROM scratch\nARG PORT=3000\nENV PORT=$PORT\nEXPOSE $PORT\nHEALTHCHECK CMD curl http://localhost:${PORT}/up\n"
    )
    assert facts(make_files, text) == ([3000], HealthProbe("/up", 3000))


def test_an_argument_has_the_value_of_the_build(make_files: MakeFiles) -> None:
    parsed = read_dockerfile(make_files({"Dockerfile": "FROM scratch\nARG PORT=1\nEXPOSE $PORT\n"}), "Dockerfile")
    assert parsed is not None
    assert [port.value for port in facts_of(parsed, "Dockerfile", None, {"PORT": "8081"}).ports] == [8081]


@pytest.mark.parametrize(
    ("command", "ports"),
    [
        ("app --port 8080", [8080]),
        ("app --server.port=8080", [8080]),
        ("java -Dserver.port=8080 -jar a.jar", [8080]),
        ("gunicorn -w 2 -b 0.0.0.0:8000 app:app", [8000]),
        ("gunicorn --bind=:8000 app", [8000]),
        ("python manage.py runserver 0.0.0.0:8000", [8000]),
        ("app --http-listen [::]:9000 --metrics-addr :9001", [9000, 9001]),
        ("flask run -p 5000", [5000]),
        ("app --database db:5432 --timeout 300 --size 8080 --retries 5", []),
        ("app --proxy http://proxy:3128 --upstream 10.0.0.1:80 12:30", []),
    ],
)
def test_a_command_tells_its_port(command: str, ports: list[int], make_files: MakeFiles) -> None:
    assert ports_in_command(command) == ports
    assert facts(make_files, f"FROM scratch\nENTRYPOINT {command}\n")[0] == ports


def test_exposed_ports_count_before_those_of_the_command(make_files: MakeFiles) -> None:
    assert facts(make_files, 'FROM scratch\nEXPOSE 80\nCMD ["a", "--port", "8080"]\n')[0] == [80]
    assert facts(make_files, 'FROM scratch\nENV P=81\nCMD ["a", "--port", "82"]\nENTRYPOINT a --port $P\n')[0] == [81]


def test_facts_have_their_lines(make_files: MakeFiles) -> None:
    files = make_files({"Dockerfile": "FROM scratch\n\nEXPOSE 80\n"})
    parsed = read_dockerfile(files, "Dockerfile")
    assert parsed is not None
    assert facts_of(parsed, "Dockerfile", None).ports == (Fact(80, Origin("Dockerfile", 3)),)


@pytest.mark.parametrize("command", ["", "curl http://example.com/", "curl http://localhost:0/", "nc localhost 80"])
def test_a_command_that_asks_no_address_of_its_own_tells_nothing(command: str) -> None:
    assert asked_by(command, {}) is None


def test_a_dockerfile_without_from_is_skipped(make_files: MakeFiles) -> None:
    files = make_files({"Dockerfile": "# nothing\n"})
    assert read_dockerfile(files, "Dockerfile") is None
    assert files.skipped[0].reason == "it has no FROM"


@pytest.mark.thorough
def test_ten_thousand_stages_are_skipped_in_no_time(make_files: MakeFiles) -> None:
    files = make_files({"Dockerfile": "".join(f"FROM scratch AS s{number}\n" for number in range(10_000))})
    begun = time.process_time()
    assert read_dockerfile(files, "Dockerfile") is None
    assert "1,000 stages" in files.skipped[0].reason
    assert time.process_time() - begun < 1


@pytest.mark.thorough
def test_many_copies_in_a_deep_folder_take_no_time(make_files: MakeFiles) -> None:
    path = f"{'a/' * 100}Dockerfile"
    files = make_files({path: "FROM scratch\n" + "COPY missing[0-9]* x?y*z /\n" * 5000})
    parsed = read_dockerfile(files, path)
    assert parsed is not None
    begun = time.process_time()
    definition_of(files, path, parsed, "shop")
    assert time.process_time() - begun < 1
