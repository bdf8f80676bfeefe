"""What a trial takes of the pod of a Kubernetes manifest, what it lacks, and what is refused."""

import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from membudget.budgets.deployed_pod import DeployedPod, PodFile, PodMount, PodProbe, PodVolume, VolumeKind
from membudget.budgets.entries import Build
from membudget.budgets.kubernetes import KubernetesSettings
from membudget.manifests.yaml_text import InvalidYaml, read_values
from membudget.measure.pod.manifest_plan import SANDBOX, manifest_plan
from membudget.measure.pod.manifest_pod import Given, KnownImages, ReadPod, read_deployed_pod
from membudget.measure.pod.manifest_sources import Lack, LackKind, PodRefused

NOTHING = Given({})
BUILDS = {"api": Build(), "worker": Build(context="worker")}


def runs(container: str, reference: str) -> str | None:
    del container
    name = reference.rpartition("/")[2].partition(":")[0]
    return name if name in BUILDS else None


def read(text: str, settings: Mapping[str, object] | None = None, known: Given = NOTHING) -> ReadPod:
    wanted = KubernetesSettings.model_validate({"manifest": "m.yaml", **(settings or {})})
    return read_deployed_pod(read_values(text), wanted, KnownImages("api", runs, BUILDS), known)


def pod(*lines: str, more: str = "") -> str:
    """A pod whose measured container has these lines of its own, and `more` lines of the pod."""
    inside = "\n".join(f"      {line}" for line in lines)
    above = f"kind: Pod\nmetadata: {{name: api}}\nspec:\n{more}  containers:\n"
    return f"{above}    - name: main\n      image: shop/api:1\n{inside}\n"


CONFIG = "---\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {A: '1', B: two}\nbinaryData: {C: AAE=}\n"


def environment(text: str, known: Given = NOTHING) -> dict[str, str]:
    return dict(read(text, known=known).pod.containers[-1].environment)


def test_variables_come_in_the_order_of_kubernetes() -> None:
    text = pod("envFrom: [{configMapRef: {name: settings}, prefix: P_}, {configMapRef: {name: settings}}]",
               "env:", "  - {name: A, value: own}", "  - {name: BOTH, value: '$(A)-$(B)-$(NONE)-$$(A)-$A'}",
               "  - {name: KEY, valueFrom: {configMapKeyRef: {name: settings, key: B}}}")  # fmt: skip
    assert environment(text + CONFIG) == {
        "P_A": "1", "P_B": "two", "A": "own", "B": "two", "BOTH": "own-two-$(NONE)-$(A)-$A", "KEY": "two",
    }  # fmt: skip


def test_words_of_commands_are_filled_in() -> None:
    text = pod("command: [run, '$(A)']", "args: ['$(URL)', '$$(A)']", "env: [{name: A, value: x}]")
    container = read(text, known=Given({"URL": "given"})).pod.containers[0]
    assert (container.command, container.arguments) == (("run", "x"), ("given", "$(A)"))


def test_the_budgets_file_overrides_variables_and_gives_what_is_lacking() -> None:
    text = pod("env:", "  - {name: A, value: manifest}",
               "  - {name: URL, valueFrom: {secretKeyRef: {name: db, key: u}}}",
               "  - {name: TOKEN, valueFrom: {secretKeyRef: {name: db, key: t}}}",
               "  - {name: POD, valueFrom: {fieldRef: {fieldPath: metadata.name}}}",
               "  - {name: MAY, valueFrom: {secretKeyRef: {name: db, key: x, optional: true}}}",
               "envFrom: [{secretRef: {name: all}}, {configMapRef: {name: gone}}]")  # fmt: skip
    found = read(text, known=Given({"A": "budgets", "URL": "x"}, frozenset({"TOKEN"})))
    assert dict(found.pod.containers[0].environment) == {"A": "budgets", "URL": "x"}
    assert found.lacks == (
        Lack("main", LackKind.VARIABLES, "*", "Secret all"),
        Lack("main", LackKind.VARIABLES, "*", "ConfigMap gone"),
        Lack("main", LackKind.VARIABLE, "POD", "the field metadata.name"),
    )


@pytest.mark.parametrize(
    ("resource", "divisor", "expected"),
    [
        ("limits.memory", "1", "268435456"), ("limits.memory", "1Mi", "256"), ("limits.memory", "1M", "269"),
        ("requests.memory", "1Mi", "128"), ("limits.cpu", "1", "2"), ("limits.cpu", "1m", "1500"),
        ("requests.cpu", "1m", "1500"),
    ],
)  # fmt: skip
def test_resources_become_variables(resource: str, divisor: str, expected: str) -> None:
    source = f"resourceFieldRef: {{resource: {resource}, divisor: {divisor}}}"
    resources = "resources: {limits: {memory: 256Mi, cpu: 1.5}, requests: {memory: 128Mi}}"
    text = pod(resources, f"env: [{{name: X, valueFrom: {{{source}}}}}]")
    assert environment(text) == {"X": expected}


def test_the_limit_that_counts_is_the_one_that_the_container_is_told() -> None:
    text = pod("resources: {limits: {memory: 256Mi}}",
               "env: [{name: X, valueFrom: {resourceFieldRef: {resource: limits.memory}}}]")  # fmt: skip
    assert environment(text, Given({}, limit_bytes=1000)) == {"X": "1000"}


def test_volumes_are_those_that_are_mounted() -> None:
    text = pod("volumeMounts:", "  - {name: cache, mountPath: /cache/}", "  - {name: fast, mountPath: fast}",
               "  - {name: files, mountPath: /etc/x, readOnly: true}", "  - {name: data, mountPath: /data}",
               more="  volumes:\n    - {name: cache, emptyDir: {}}\n    - {name: unused, emptyDir: {}}\n"
               "    - {name: fast, emptyDir: {medium: Memory, sizeLimit: 1Mi}}\n"
               "    - {name: files, configMap: {name: settings, defaultMode: 0755, items: [{key: A, path: d/a},"
               " {key: C, path: c, mode: 256}, {key: none, path: n}]}}\n"
               "    - {name: data, hostPath: {path: /var/data}}\n")  # fmt: skip
    found = read(text + CONFIG)
    assert found.pod.volumes == (
        PodVolume("cache"),
        PodVolume("data"),
        PodVolume("fast", VolumeKind.MEMORY, 1 << 20),
        PodVolume("files", VolumeKind.FILES, None, (PodFile("d/a", "1", 0o755), PodFile("c", "AAE=", 0o400, True))),
    )
    assert found.pod.containers[0].mounts == (
        PodMount("cache", "/cache"), PodMount("fast", "/fast"), PodMount("files", "/etc/x", "", True),
        PodMount("data", "/data"),
    )  # fmt: skip
    assert found.lacks == (Lack("main", LackKind.VOLUME, "/data", "hostPath /var/data"),)


def test_a_volume_that_the_budgets_file_gives_is_not_lacking() -> None:
    text = pod("volumeMounts: [{name: data, mountPath: /data}]",
               more="  volumes: [{name: data, persistentVolumeClaim: {claimName: d}}]\n")  # fmt: skip
    found = read(text, known=Given({}, volumes=frozenset({"/data"})))
    assert (found.lacks, found.pod.containers[0].mounts, found.pod.volumes) == ((), (), ())
    assert read(text).lacks == (Lack("main", LackKind.VOLUME, "/data", "persistentVolumeClaim d"),)


def test_claims_of_a_stateful_set_are_empty_volumes() -> None:
    text = pod("volumeMounts: [{name: data, mountPath: /data}]").replace("kind: Pod", "kind: StatefulSet")
    text = text.replace(
        "spec:\n", "spec:\n  volumeClaimTemplates: [{metadata: {name: data}}]\n  template:\n   spec:\n", 1
    )
    text = (
        text.replace("  containers:", "    containers:")
        .replace("    - name", "     - name")
        .replace("      ", "       ")
    )
    found = read(text)
    assert found.lacks == (Lack("main", LackKind.VOLUME, "/data", "a volume claim"),)


INIT = """  initContainers:
    - {name: first, image: "shop/api:1"}
    - {name: mesh, image: mesh, restartPolicy: Always, startupProbe: {httpGet: {path: up, port: 15021}},
       resources: {limits: {memory: 64Mi}}}
    - {name: second, image: "shop/worker:2", env: [{name: X, valueFrom: {secretKeyRef: {name: s, key: x}}}]}
"""


def test_init_containers_and_sidecars_come_first_and_run_their_own_images() -> None:
    found = read(pod(more=INIT), {"env": {"second": {"X": "1"}}})
    first, mesh, second, main = found.pod.containers
    assert [one.runs_to_end for one in found.pod.containers] == [True, False, True, False]
    assert (first.image, first.build, main.image, main.build) == (None, None, None, None)
    assert (mesh.image, mesh.limit_bytes, mesh.started) == ("mesh", 64 << 20, PodProbe(http="/up", port=15021))
    assert (second.image, second.build, second.environment) == (None, Build(context="worker"), (("X", "1"),))
    assert (found.pod.measured, found.lacks) == ("main", ())


def test_containers_can_be_left_out() -> None:
    found = read(pod(more=INIT), {"without": ["mesh", "second"]})
    assert [one.name for one in found.pod.containers] == ["first", "main"]


@pytest.mark.parametrize(
    ("probe", "expected"),
    [
        ("readinessProbe: {exec: {command: [test, -e, /x]}}", PodProbe(("test", "-e", "/x"))),
        ("readinessProbe: {httpGet: {path: /r, port: web}}", PodProbe(http="/r", port=8080)),
        ("readinessProbe: {httpGet: {port: 9000, scheme: HTTPS}}", PodProbe(port=9000)),
        ("readinessProbe: {tcpSocket: {port: 5432}}", PodProbe(port=5432)),
        ("readinessProbe: {grpc: {port: 50051}}", PodProbe(port=50051)),
        ("startupProbe: {httpGet: {port: web}}", PodProbe(http="/", port=8080)),
        ("readinessProbe: {tcpSocket: {port: gone}}", None),
        ("livenessProbe: {tcpSocket: {port: 1}}", None),
    ],
)
def test_probes_tell_when_it_is_ready(probe: str, expected: PodProbe | None) -> None:
    found = read(pod(probe, "ports: [{name: web, containerPort: 8080}, {containerPort: 53, protocol: UDP}]"))
    assert (found.pod.ready, found.pod.ports) == (expected, (8080,))
    gone = "gone" in probe
    assert found.lacks == ((Lack("main", LackKind.PROBE, "readinessProbe"),) if gone else ())


def test_limits_of_the_measured_container_are_told_apart_from_its_pod() -> None:
    one, other = (read(pod(f"resources: {{limits: {{memory: {size}, cpu: 500m}}}}")) for size in ("1Gi", "2Gi"))
    assert (one.limit_bytes, other.limit_bytes, one.cpus) == (1 << 30, 2 << 30, 1)
    assert one.pod == other.pod
    assert read(pod()).limit_bytes is None


def test_users_groups_and_capabilities_are_taken() -> None:
    text = pod("securityContext: {runAsGroup: 7, readOnlyRootFilesystem: true,"
               " capabilities: {drop: [all], add: [CAP_NET_BIND_SERVICE]}}",
               more="  securityContext: {runAsUser: 1000, fsGroup: 2000, supplementalGroups: [5]}\n")  # fmt: skip
    (container,) = read(text).pod.containers
    assert (container.user, container.groups, container.read_only) == ("1000:7", (5, 2000), True)
    assert (container.dropped, container.kept) == (("ALL",), ("NET_BIND_SERVICE",))


def test_what_has_no_meaning_in_a_trial_is_told_or_ignored() -> None:
    text = pod("lifecycle: {postStart: {exec: {command: [x]}}}", more="  hostNetwork: true\n  serviceAccountName: x\n")
    assert [one.kind for one in read(text).lacks] == [LackKind.HOST_NETWORK, LackKind.HOOK]


X = "  volumes: [{name: x}]\n"


@pytest.mark.parametrize(
    ("text", "reason", "line"),
    [
        (pod("securityContext: {privileged: true}"), "main: securityContext.privileged is more than", 7),
        (pod("securityContext: {capabilities: {add: [NET_ADMIN]}}"), "capabilities.add: NET_ADMIN is more than", 7),
        (pod("securityContext: {capabilities: {add: [ALL]}}"), "capabilities.add: ALL is more than", 7),
        (pod(more="  hostPID: true\n"), "hostPID is more than", 4),
        (pod(more="  hostIPC: true\n"), "hostIPC is more than", 4),
        (pod("volumeDevices: [{name: x}]"), "volumeDevices is more than", 7),
        (pod("volumeMounts: [{name: x, mountPath: /x}]"), "names the volume 'x', which the pod does not have", 7),
        (pod("volumeMounts: [{name: x, mountPath: /}]", more=X), "mountPath that cannot", 8),
        (pod("volumeMounts: [{name: x, mountPath: /a/../..}]", more=X), "mountPath that", 8),
        (pod("volumeMounts: [{name: x, mountPath: '/a:ro'}]", more=X), "mountPath that", 8),
        (pod("volumeMounts: [{name: x, mountPath: /a, subPath: ../b}]", more=X), "leads out", 8),
        (pod("volumeMounts: [{name: x, mountPath: /a, subPathExpr: b}]", more=X), "subPathE", 8),
        (pod("resources: {limits: {memory: lots}}"), "resources.limits.memory: it is no quantity", 7),
        (pod("resources: {limits: {cpu: many}}"), "resources.limits.cpu: it is no quantity", 7),
        (pod(more="  initContainers: [{name: main, image: x}]\n"), "each container needs a name of its own", None),
        (pod(more="  initContainers: [{name: x}]\n"), "x: image is missing", 4),
        (pod("env: [{value: x}]"), "env has an entry without a usable name", 7),
        (pod(more=f"  initContainers: [{', '.join(['{name: x}'] * 21)}]\n"), "initContainers has more than 20", 4),
    ],
)  # fmt: skip
def test_what_is_more_than_a_container_may_have_is_refused(text: str, reason: str, line: int | None) -> None:
    with pytest.raises(PodRefused, match=reason.replace("(", r"\(")) as caught:
        read(text)
    assert line is None or caught.value.line == line


def test_the_files_of_a_config_map_stay_in_their_volume() -> None:
    text = pod(more="  volumes: [{name: f, configMap: {name: settings, items: [{key: A, path: ../../etc/passwd}]}}]\n")
    with pytest.raises(PodRefused, match="leads out of its volume"):
        read(text + CONFIG)


@pytest.mark.thorough
def test_much_text_behind_aliases_is_refused() -> None:
    big = f"x: &big {'y' * 10_000}\n"
    many = "".join(f"    - {{name: V{n}, value: *big}}\n" for n in range(200))
    text = f"{big}{pod('env:')}{many}".replace("    - {name: V", "        - {name: V")
    with pytest.raises(PodRefused, match="larger than 1 MiB"):
        read(text)


TWO = f"{pod()}---\n{pod().replace('{name: api}', '{name: batch}').replace('kind: Pod', 'kind: Pod')}"


def test_which_container_is_measured_has_to_be_clear() -> None:
    with pytest.raises(PodRefused, match=r"several containers may be meant.*Pod/api: main, Pod/batch: main"):
        read(TWO)
    for workload in ("Pod/batch", "batch"):
        assert read(TWO, {"workload": workload}).pod.measured == "main"
    with pytest.raises(PodRefused, match=r"there is no container web \(there: Pod/api: main\)") as caught:
        read(pod(), {"container": "web"})
    assert caught.value.key == ("container",)
    with pytest.raises(PodRefused, match=r"there is no container istio \(there: first, second, main\)") as caught:
        read(pod(more=INIT), {"without": ["mesh", "istio"]})
    assert caught.value.key == ("without", 1)
    with pytest.raises(PodRefused, match="there is no container that runs api: name `container`"):
        read("kind: ConfigMap\nmetadata: {name: x}\n")


WHOLE = pod("command: [a, '$(A)']", "env: [{name: A, value: x}]", "envFrom: [{configMapRef: {name: settings}}]",
            "readinessProbe: {httpGet: {path: /r, port: 1}}", "resources: {limits: {memory: 1Gi, cpu: 1}}",
            "securityContext: {runAsUser: 1, capabilities: {drop: [ALL]}}", "volumeMounts: [{name: f, mountPath: /f}]",
            more=f"{INIT}  volumes: [{{name: f, configMap: {{name: settings}}}}]\n") + CONFIG  # fmt: skip
_SCALARS = [*re.finditer(r"(?<=[ \[{])[A-Za-z0-9/'$().:\"-]+(?=[,\]}\n])", WHOLE)]


@pytest.mark.thorough
@given(
    st.lists(st.sampled_from(range(len(_SCALARS))), min_size=1, max_size=4),
    st.sampled_from(
        ["", "[]", "{}", "null", "-1", "1e99", "'\\0'", '"\\0"', "[[x]]", "{a: b}", "9" * 40, "true", "'$('"]
    ),
)
def test_odd_values_anywhere_are_read_or_refused(places: list[int], value: str) -> None:
    text = WHOLE
    for place in sorted(set(places), reverse=True):
        start, end = _SCALARS[place].span()
        text = f"{text[:start]}{value}{text[end:]}"
    try:
        found = read(text)
    except (PodRefused, InvalidYaml):
        return
    plan = manifest_plan(found.pod, is_open=False)
    assert set(plan.services) == {SANDBOX, *(container.name for container in found.pod.containers)}
    assert TypeAdapter(DeployedPod).validate_json(TypeAdapter(DeployedPod).dump_json(found.pod)) == found.pod


def test_variables_that_double_each_other_are_refused() -> None:
    lines = ["env:", f"  - {{name: V0, value: {'x' * 100}}}"]
    lines += [f"  - {{name: V{n}, value: '$(V{n - 1})$(V{n - 1})'}}" for n in range(1, 100)]
    with pytest.raises(PodRefused, match="larger than 1 MiB when filled in"):
        read(pod(*lines))
