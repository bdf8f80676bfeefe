import pytest
from hypothesis import given
from hypothesis import strategies as st

from membudget.core.quantities import GIB, MIB
from membudget.manifests.deployed import DeployedManifests, Place, Role
from membudget.manifests.kubernetes import MOST_TEXT, TooMuchYaml, read_kubernetes
from membudget.manifests.reading import ManifestReading
from membudget.manifests.yaml_text import InvalidYaml

POD = """\
containers:
  - name: api
    image: registry.example/shop/api:1.2@sha256:00
    resources: {requests: {memory: 100Mi}, limits: {memory: 200Mi}}
"""


def indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.splitlines())


def read(text: str) -> DeployedManifests:
    return read_kubernetes(text, ManifestReading("deploy/api.yaml", "deploy/api.yaml"))


@pytest.mark.parametrize(
    ("kind", "path"),
    [("Deployment", "spec.template.spec"), ("StatefulSet", "spec.template.spec"), ("DaemonSet", "spec.template.spec"),
     ("Job", "spec.template.spec"), ("ReplicaSet", "spec.template.spec"), ("Rollout", "spec.template.spec"),
     ("Service", "spec.template.spec"), ("CronJob", "spec.jobTemplate.spec.template.spec"), ("Pod", "spec")],
)  # fmt: skip
def test_each_kind_has_its_pod_at_its_place(kind: str, path: str) -> None:
    keys = path.split(".")
    text = f"kind: {kind}\nmetadata: {{name: api, namespace: shop}}\n"
    text += "".join(f"{'  ' * depth}{key}:\n" for depth, key in enumerate(keys)) + indented(POD, 2 * len(keys))
    (workload,) = read(text).workloads
    assert (workload.kind, workload.name, workload.namespace) == (kind, "api", "shop")
    (container,) = workload.containers
    assert container.limit is not None
    assert container.request is not None
    assert (container.limit.size_bytes, container.request.size_bytes) == (200 * MIB, 100 * MIB)
    assert container.limit.place == Place("deploy/api.yaml", 2 + len(keys) + 4)


def test_lines_are_those_of_the_file_in_every_document() -> None:
    one = "kind: Pod\nspec:\n" + indented(POD, 2)
    first, second = read(f"# a comment\n---\n{one}---\nkind: Secret\n---\n{one}").workloads
    assert (first.place.line, second.place.line) == (3, 12)
    assert second.containers[0].limit is not None
    assert second.containers[0].limit.place.line == 17


def test_an_init_container_that_always_restarts_is_a_sidecar() -> None:
    pod = POD + "initContainers:\n  - {name: proxy, restartPolicy: Always}\n  - {name: migrate}\n"
    (workload,) = read("kind: Pod\nspec:\n" + indented(pod, 2)).workloads
    roles = {container.name: container.role for container in workload.containers}
    assert roles == {"proxy": Role.SIDECAR, "migrate": Role.INIT, "api": Role.MAIN}


def test_memory_volumes_have_a_size_and_the_containers_that_mount_them() -> None:
    pod = POD + "    volumeMounts: [{name: tmp}, {name: disk}]\nvolumes:\n  - name: tmp\n"
    pod += "    emptyDir: {medium: Memory, sizeLimit: 64Mi}\n  - name: disk\n    emptyDir: {}\n"
    (workload,) = read("kind: Pod\nspec:\n" + indented(pod, 2)).workloads
    (volume,) = workload.volumes
    assert volume.name == "tmp"
    assert workload.containers[0].volumes == ("tmp",)
    assert workload.size_of_volumes(workload.containers[0]) == 64 * MIB


def test_a_pod_has_limits_of_its_own_since_kubernetes_1_34() -> None:
    pod = POD + "resources: {limits: {memory: 1Gi}, requests: {memory: 0.5Gi}}\n"
    (workload,) = read("kind: Pod\nspec:\n" + indented(pod, 2)).workloads
    assert workload.limit is not None
    assert workload.request is not None
    assert (workload.limit.size_bytes, workload.request.size_bytes) == (GIB, GIB // 2)


def test_lists_are_read_entry_by_entry() -> None:
    pod = indented("kind: Pod\nspec:\n" + indented(POD, 2), 4)
    text = "kind: List\nitems:\n  -\n" + pod + "  -\n" + pod
    assert len(read(text).workloads) == 2
    untyped = "kind: PodList\nitems:\n  - spec:\n" + indented(POD, 6)
    assert read(untyped).workloads[0].kind == "Pod"


@pytest.mark.parametrize("memory", ["-1", "lots", "128 Mi", "{a: 1}", "[1]", "99Ei"])
def test_a_wrong_amount_is_a_fault_with_file_line_and_key(memory: str) -> None:
    text = "kind: Pod\nmetadata: {name: web}\nspec:\n  containers:\n  - name: api\n"
    text += f"    resources: {{limits: {{memory: {memory}}}}}\n"
    found = read(text)
    (fault,) = found.faults
    assert fault.place == Place("deploy/api.yaml", 6)
    assert fault.key == "Pod/web: api: resources.limits.memory"
    assert "no amount of memory" in fault.reason
    assert found.workloads[0].containers[0].limit is None


def test_an_absent_or_empty_amount_is_none() -> None:
    for resources in (
        "",
        "    resources:\n",
        "    resources: {limits: {memory: }}\n",
        "    resources: {limits: {cpu: 1}}\n",
    ):
        found = read(f"kind: Pod\nspec:\n  containers:\n  - name: api\n{resources}")
        assert found.faults == ()
        assert found.workloads[0].containers[0].limit is None


def test_a_request_falls_back_to_the_limit() -> None:
    (workload,) = read("kind: Pod\nspec: {containers: [{name: a, resources: {limits: {memory: 1Mi}}}]}").workloads
    assert workload.containers[0].request is None
    assert workload.containers[0].reserved == workload.containers[0].limit


def test_rendered_text_points_to_the_template_that_made_it() -> None:
    text = "---\n# Source: shop/charts/api/templates/deployment.yaml\nkind: Pod\nspec:\n" + indented(POD, 2)
    reading = ManifestReading("charts/shop/Chart.yaml", "charts/shop", is_rendered=True)
    (workload,) = read_kubernetes(text, reading).workloads
    assert workload.place == Place("charts/shop/charts/api/templates/deployment.yaml", 1, is_exact=False)


def test_documents_about_other_things_are_not_parsed() -> None:
    assert read("kind: ConfigMap\ndata: {{ not yaml\n---\nkind: Pod\nspec:\n" + indented(POD, 2)).workloads


def test_too_much_is_refused() -> None:
    with pytest.raises(TooMuchYaml):
        read("kind: Pod\n#" + "x" * MOST_TEXT)


def test_aliases_do_not_expand() -> None:
    bomb = "a: &a [x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(20))
    found = read(bomb + "kind: Pod\nspec: {containers: *u}\n")
    assert len(found.workloads) <= 1


def test_anchors_and_merge_keys_are_followed_to_their_line() -> None:
    text = (
        "x: &x\n  limits: {memory: 10Mi}\nkind: Pod\nspec:\n  containers:\n  - name: a\n    resources:\n      <<: *x\n"
    )
    limit = read(text).workloads[0].containers[0].limit
    assert limit is not None
    assert limit.place.line == 2


@pytest.mark.parametrize("text", ["kind: Pod\nspec: [", "kind: Pod\nspec: " + "[" * 400, "kind: Pod\n\tspec:\n"])
def test_what_is_no_yaml_says_where(text: str) -> None:
    with pytest.raises(InvalidYaml):
        read(text)


KEYS = ["spec", "containers", "name", "resources", "limits", "memory", "volumes", "emptyDir", "kind"]
NESTED = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("abM-i1. ", max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner, max_size=4,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@pytest.mark.thorough
@given(NESTED, st.sampled_from(["Pod", "Deployment", "HorizontalPodAutoscaler", "VerticalPodAutoscaler", "List"]))
def test_any_form_is_read_without_a_crash(form: object, kind: str) -> None:
    import json

    found = read(json.dumps({"kind": kind, "spec": form, "items": form}))
    assert len(found.workloads) <= 200
