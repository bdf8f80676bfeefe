import pytest

from membudget.core.quantities import GIB, MIB
from membudget.manifests.deployed import DeployedManifests, ManifestPlatform
from membudget.manifests.other_platforms import read_compose, read_ecs
from membudget.manifests.reading import ManifestReading


def compose(service: str) -> DeployedManifests:
    return read_compose(f"services:\n  api:\n{service}", ManifestReading("compose.yaml", "compose.yaml"))


def test_the_limit_of_deploy_counts_before_mem_limit() -> None:
    found = compose("    image: shop/api\n    mem_limit: 1g\n    deploy: {resources: {limits: {memory: 512m}}}\n")
    (workload,) = found.workloads
    (container,) = workload.containers
    assert workload.platform is ManifestPlatform.COMPOSE
    assert (container.name, container.image) == ("api", "shop/api")
    assert container.limit is not None
    assert (container.limit.size_bytes, container.limit.text, container.limit.place.line) == (512 * MIB, "512m", 5)


@pytest.mark.parametrize(
    ("service", "request_bytes"),
    [("    mem_reservation: 64m\n", 64 * MIB),
     ("    deploy: {resources: {reservations: {memory: 1g}}}\n", GIB)],
)  # fmt: skip
def test_reservations_are_requests(service: str, request_bytes: int) -> None:
    amount = compose(service).workloads[0].containers[0].request
    assert amount is not None
    assert amount.size_bytes == request_bytes


@pytest.mark.parametrize(
    ("service", "thousandths"),
    [("    cpus: 0.5\n", 500), ("    cpus: '2'\n    deploy: {resources: {limits: {cpus: '1.25'}}}\n", 1250),
     ("    cpus: half\n", None), ("    cpus: 0\n", None), ("    cpus: -1\n", None), ("    cpus: 5000\n", None),
     ("    cpus: ${CPUS}\n", None), ("    cpus: [1]\n", None), ("    image: api\n", None)],
)  # fmt: skip
def test_a_cpu_limit_is_read_and_a_wrong_one_is_none(service: str, thousandths: int | None) -> None:
    found = compose(service)
    limit = found.workloads[0].containers[0].cpu_limit
    assert (limit.thousandths if limit is not None else None) == thousandths
    assert found.faults == ()


def test_a_variable_has_its_default_or_is_a_fault() -> None:
    with_default = compose("    mem_limit: ${LIMIT:-128m}\n").workloads[0].containers[0].limit
    assert with_default is not None
    assert with_default.size_bytes == 128 * MIB
    (fault,) = compose("    mem_limit: ${LIMIT}\n").faults
    assert (fault.key, fault.place.line) == ("services.api.mem_limit", 3)


def test_a_tmpfs_is_a_memory_volume() -> None:
    (workload,) = compose("    tmpfs:\n    - /tmp:size=64m,mode=700\n    - /run\n").workloads
    assert [volume.size and volume.size.size_bytes for volume in workload.volumes] == [64 * MIB, None]
    assert workload.containers[0].volumes == ("/tmp", "/run")
    assert len(compose("    tmpfs: /tmp:size=lots\n").faults) == 1


def ecs(text: str) -> DeployedManifests:
    return read_ecs(text, ManifestReading("task.json", "task.json"))


def test_a_task_has_memory_and_so_have_its_containers() -> None:
    text = '{\n\t"family": "api",\n\t"memory": "2 GB",\n\t"containerDefinitions": [\n'
    text += '\t\t{"name": "web", "image": "shop/web:1", "memory": 512,\n\t\t "memoryReservation": 256}]}\n'
    (task,) = ecs(text).workloads
    (container,) = task.containers
    assert task.limit is not None
    assert container.limit is not None
    assert container.request is not None
    assert (task.name, task.limit.size_bytes) == ("api", 2 * GIB)
    assert (container.limit.size_bytes, container.request.size_bytes) == (512 * MIB, 256 * MIB)
    assert (container.limit.place.line, container.request.place.line) == (5, 6)


def test_an_answer_of_describe_task_definition_is_read_as_well() -> None:
    assert ecs('{"taskDefinition": {"family": "a", "containerDefinitions": [{"name": "b"}]}}').workloads[0].name == "a"


def test_a_wrong_amount_of_a_task_is_a_fault() -> None:
    (fault,) = ecs('{"containerDefinitions": [{"name": "web", "memory": -5}]}').faults
    assert fault.key == "containerDefinitions: web: memory"
