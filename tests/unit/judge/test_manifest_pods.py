from dataclasses import replace

import pytest

from membudget.budgets.manifests import ManifestRule
from membudget.core.quantities import MIB
from tests.support.manifests import found_in, patched

R = ManifestRule


def rules(text: str) -> list[ManifestRule]:
    return [finding.rule for finding in found_in(text)]


def pod(*, limit: str = "256Mi", init: str = "", own: str = "") -> str:
    text = f"kind: Pod\nmetadata: {{name: api}}\nspec:\n{own}  initContainers:\n{init}  containers:\n"
    resources = f", resources: {{limits: {{memory: {limit}}}}}" if limit else ""
    return f"{text}    - {{name: api, image: shop/api{resources}}}\n"


def requesting(name: str, request: str, more: str = "") -> str:
    return f"    - {{name: {name}, image: x/{name}, resources: {{requests: {{memory: {request}}}}}{more}}}\n"


ALWAYS = ", restartPolicy: Always"


@pytest.mark.parametrize(
    ("init", "expected"),
    [
        (requesting("migrate", "256Mi"), []),
        (requesting("migrate", "257Mi"), [R.INIT_RESERVES_MORE]),
        (requesting("proxy", "64Mi", ALWAYS) + requesting("migrate", "256Mi"), []),
        (requesting("proxy", "64Mi", ALWAYS) + requesting("migrate", "257Mi"), [R.INIT_RESERVES_MORE]),
        (requesting("migrate", "257Mi") + requesting("proxy", "64Mi", ALWAYS), []),
        (requesting("one", "100Mi") + requesting("two", "200Mi"), []),
    ],
)
def test_an_init_container_counts_with_the_sidecars_that_start_before_it(
    init: str, expected: list[ManifestRule]
) -> None:
    assert rules(pod(init=init)) == expected


@pytest.mark.parametrize(
    ("memory", "init", "expected"),
    [
        ("200Mi", "", []),
        ("199Mi", "", [R.POD_BELOW_SUM]),
        ("263Mi", requesting("proxy", "64Mi", ALWAYS), [R.POD_BELOW_SUM]),
        ("264Mi", requesting("proxy", "64Mi", ALWAYS), []),
        ("200Mi", requesting("migrate", "64Mi"), []),
    ],
)
def test_a_limit_of_the_pod_is_held_against_the_sum(memory: str, init: str, expected: list[ManifestRule]) -> None:
    own = f"  resources: {{limits: {{memory: {memory}}}, requests: {{memory: 200Mi}}}}\n"
    assert rules(pod(limit="", init=init, own=own)) == expected


def test_memory_volumes_count_in_the_sum() -> None:
    own = "  resources: {limits: {memory: 256Mi}, requests: {memory: 200Mi}}\n"
    own += "  volumes: [{name: tmp, emptyDir: {medium: Memory, sizeLimit: 64Mi}}]\n"
    (finding,) = found_in(pod(limit="", own=own))
    assert (finding.rule, finding.other_bytes) == (R.POD_BELOW_SUM, 264 * MIB)
    assert finding.change is not None
    assert finding.change.text == "264Mi"


def test_a_task_of_ecs_is_a_pod_as_well() -> None:
    text = '{"family": "shop", "memory": "128", "containerDefinitions": [{"name": "api", "image": "shop/api"}]}\n'
    assert [one.rule for one in found_in(text, path="task.json")][-1] is R.POD_BELOW_SUM


def scaled(target: str, *, request: str = "160Mi", most: int = 10, least: int = 1, more: str = "") -> str:
    text = "kind: Deployment\nmetadata: {name: api}\nspec:\n  template:\n    spec:\n      containers:\n"
    resources = f"{{limits: {{memory: 256Mi}}, requests: {{memory: {request}}}}}"
    text += f"        - {{name: api, image: shop/api, resources: {resources}}}\n{more}---\n"
    text += "kind: HorizontalPodAutoscaler\nmetadata: {name: api}\nspec:\n"
    text += "  scaleTargetRef: {kind: Deployment, name: api}\n"
    text += f"  minReplicas: {least}\n  maxReplicas: {most}\n  metrics:\n"
    return f"{text}    - {{type: Resource, resource: {{name: memory, target: {{{target}}}}}}}\n"


SIDECAR = "        - {name: log, image: x/log, resources: {requests: {memory: 160Mi}}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (scaled("averageUtilization: 80"), [R.HPA_CANNOT_SCALE_DOWN]),
        (scaled("averageUtilization: 84"), []),
        (scaled("averageUtilization: 83"), [R.HPA_CANNOT_SCALE_DOWN]),
        (scaled("averageUtilization: 80", request="240Mi"), []),
        (scaled("averageUtilization: 80", request="240Mi", most=2), [R.HPA_CANNOT_SCALE_DOWN]),
        (scaled("averageUtilization: 80", most=3, least=3), []),
        (scaled("averageValue: 130Mi"), [R.HPA_CANNOT_SCALE_DOWN]),
        (scaled("averageValue: 140Mi"), []),
        (scaled("averageUtilization: 80", more=SIDECAR), []),
        (scaled("averageUtilization: 40", more=SIDECAR), [R.HPA_CANNOT_SCALE_DOWN]),
    ],
)
def test_an_hpa_must_be_able_to_remove_a_pod_at_rest(text: str, expected: list[ManifestRule]) -> None:
    assert rules(text) == expected


def test_the_sum_of_an_hpa_is_told() -> None:
    (finding,) = found_in(scaled("averageUtilization: 80"))
    scaling = finding.scaling
    assert scaling is not None
    assert (scaling.used_bytes, scaling.wanted_bytes, scaling.percent) == (120 * MIB, 128 * MIB, 80)
    assert finding.fitting_bytes is not None
    assert rules(scaled("averageUtilization: 80", request=f"{finding.fitting_bytes // MIB}Mi")) == []


def test_the_request_with_which_an_hpa_can_scale_down_is_a_change() -> None:
    text = scaled("averageUtilization: 80")
    (finding,) = found_in(text)
    assert finding.patch is not None
    assert rules(patched({"a.yaml": text}, replace(finding.patch, path="a.yaml"))["a.yaml"]) == []


@pytest.mark.parametrize("text", [
    scaled("averageUtilization: 45", request="256Mi"),  # the limit is no more
    scaled("averageUtilization: 40", more=SIDECAR),  # which of both?
    scaled("averageValue: 130Mi"),
])  # fmt: skip
def test_an_hpa_has_no_change_if_no_request_alone_would_do(text: str) -> None:
    (finding,) = found_in(text)
    assert (finding.rule, finding.change) == (R.HPA_CANNOT_SCALE_DOWN, None)


def with_vpa(policy: str, mode: str = "") -> str:
    text = scaled("averageUtilization: 50", request="400Mi").replace("memory: 256Mi", "memory: 400Mi")
    text += "---\nkind: VerticalPodAutoscaler\nmetadata: {name: api}\nspec:\n"
    text += f"  targetRef: {{kind: Deployment, name: api}}\n{mode}"
    return f"{text}  resourcePolicy: {{containerPolicies: [{policy}]}}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (with_vpa("{containerName: api}"), [R.HPA_AND_VPA]),
        (with_vpa("{containerName: api}", '  updatePolicy: {updateMode: "Off"}\n'), []),
        (with_vpa("{containerName: api, controlledResources: [cpu]}"), []),
        (with_vpa('{containerName: api, mode: "Off"}'), []),
        (with_vpa("{containerName: api, controlledResources: [cpu], maxAllowed: {memory: 199Mi}}"), [R.VPA_BELOW_NEED]),
        (with_vpa("{containerName: api, controlledResources: [cpu], maxAllowed: {memory: 200Mi}}"), []),
        (with_vpa("{containerName: log, maxAllowed: {memory: 1Mi}}"), [R.HPA_AND_VPA]),
    ],
)
def test_a_vpa_beside_an_hpa(text: str, expected: list[ManifestRule]) -> None:
    assert rules(text) == expected


@pytest.mark.parametrize(
    ("vpa", "added"),
    [
        (with_vpa("{containerName: api}"),
         "  resourcePolicy: {containerPolicies: [{controlledResources: [cpu], containerName: api}]}"),
        (with_vpa("{containerName: a}, {containerName: '*'}"),
         " {containerPolicies: [{containerName: a}, {controlledResources: [cpu], containerName: '*'}]}\n"),
        (with_vpa("").replace("  resourcePolicy: {containerPolicies: []}\n", ""),
         '    containerPolicies: [{containerName: "*", controlledResources: [cpu]}]'),
        (with_vpa("").replace(" {containerPolicies: []}", "\n"),
         '    containerPolicies: [{containerName: "*", controlledResources: [cpu]}]'),
        (with_vpa("").replace(" {containerPolicies: []}", "\n    containerPolicies:\n    - containerName: api\n"),
         "      controlledResources: [cpu]"),
    ],
)  # fmt: skip
def test_a_vpa_beside_an_hpa_can_leave_memory_alone(vpa: str, added: str) -> None:
    (finding,) = found_in(vpa)
    assert finding.patch is not None
    after = patched({"api.yaml": vpa}, finding.patch)["api.yaml"]
    assert added in after
    assert rules(after) == []


@pytest.mark.parametrize("policies", [
    "{containerName: log}",  # the default for api is no key of this file
    "{containerName: api, controlledResources: [cpu, memory]}",
])  # fmt: skip
def test_a_vpa_gets_no_key_that_would_not_do(policies: str) -> None:
    (finding,) = found_in(with_vpa(policies))
    assert (finding.rule, finding.change) == (R.HPA_AND_VPA, None)


def test_a_scaler_of_another_workload_says_nothing() -> None:
    text = scaled("averageUtilization: 80").replace("scaleTargetRef: {kind: Deployment, name: api}",
                                                    "scaleTargetRef: {kind: Deployment, name: web}")  # fmt: skip
    assert rules(text) == []
