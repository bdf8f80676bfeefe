import pytest

from membudget.core.quantities import MIB
from membudget.manifests.deployed import DeployedManifests
from membudget.manifests.kubernetes import read_kubernetes
from membudget.manifests.reading import ManifestReading

HPA = """\
kind: HorizontalPodAutoscaler
metadata: {name: api}
spec:
  scaleTargetRef: {kind: Deployment, name: api}
  minReplicas: 2
  maxReplicas: 10
  metrics:
"""
VPA = """\
kind: VerticalPodAutoscaler
metadata: {name: api}
spec:
  targetRef: {kind: Deployment, name: api}
"""


def read(text: str) -> DeployedManifests:
    return read_kubernetes(text, ManifestReading("hpa.yaml", "hpa.yaml"))


def test_a_target_of_utilization_is_a_percentage_of_the_request() -> None:
    metric = "  - {type: Resource, resource: {name: memory, target: {type: Utilization, averageUtilization: 80}}}\n"
    (scaler,) = read(HPA + metric).pod_scalers
    assert (scaler.kind, scaler.target, scaler.least, scaler.most) == ("Deployment", "api", 2, 10)
    (target,) = scaler.targets
    assert (target.percent, target.average_bytes, target.container) == (80, None, None)
    assert target.place.line == 8


def test_a_target_of_average_value_is_an_amount() -> None:
    metric = "  - {type: Resource, resource: {name: memory, target: {type: AverageValue, averageValue: 200Mi}}}\n"
    assert read(HPA + metric).pod_scalers[0].targets[0].average_bytes == 200 * MIB


def test_a_target_may_be_about_one_container() -> None:
    resource = "{name: memory, container: web, target: {averageUtilization: 60}}"
    metric = f"  - {{type: ContainerResource, containerResource: {resource}}}\n"
    assert read(HPA + metric).pod_scalers[0].targets[0].container == "web"


def test_the_first_beta_wrote_targets_without_a_table() -> None:
    metric = "  - {type: Resource, resource: {name: memory, targetAverageUtilization: 70}}\n"
    assert read(HPA + metric).pod_scalers[0].targets[0].percent == 70


@pytest.mark.parametrize("resource", ["{name: cpu, target: {averageUtilization: 80}}", "{}", "[]"])
def test_scalers_without_a_memory_target_are_left_out(resource: str) -> None:
    assert read(f"{HPA}  - {{type: Resource, resource: {resource}}}\n").pod_scalers == ()


@pytest.mark.parametrize("target", ["averageUtilization: 0", "averageUtilization: -5", "averageValue: lots"])
def test_a_wrong_target_is_a_fault(target: str) -> None:
    found = read(f"{HPA}  - {{type: Resource, resource: {{name: memory, target: {{{target}}}}}}}\n")
    assert found.pod_scalers == ()
    assert len(found.faults) == 1


def test_a_vpa_acts_unless_it_is_off() -> None:
    (scaler,) = read(VPA).memory_scalers
    assert scaler.acts
    assert scaler.policy_for("api").sets_memory
    (off,) = read(f'{VPA}  updatePolicy: {{updateMode: "Off"}}\n').memory_scalers
    assert not off.acts


def test_the_policy_of_a_container_counts_before_that_of_all() -> None:
    policies = "  resourcePolicy:\n    containerPolicies:\n"
    policies += '    - {containerName: "*", maxAllowed: {memory: 1Gi}}\n'
    policies += "    - {containerName: api, maxAllowed: {memory: 100Mi}, minAllowed: {memory: 50Mi}}\n"
    policies += "    - {containerName: web, controlledResources: [cpu]}\n"
    policies += '    - {containerName: log, mode: "Off"}\n'
    (scaler,) = read(VPA + policies).memory_scalers
    most = {name: scaler.policy_for(name).most for name in ("api", "other")}
    assert [amount and amount.size_bytes // MIB for amount in most.values()] == [100, 1024]
    assert [scaler.policy_for(name).sets_memory for name in ("api", "web", "log")] == [True, False, False]
