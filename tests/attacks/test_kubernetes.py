"""The manifest decides what is measured as well: the pod of the base counts."""

import pytest

from tests.attacks.case import Case, Checked, attack, honest
from tests.attacks.changes import edit, link, more, obeying, write
from tests.attacks.expected import Green, Loosened, OverBudget, Refused

MANIFEST = """\
kind: Pod
metadata: {name: api}
spec:
  containers:
    - name: main
      image: registry/shop/api:1
      resources: {limits: {memory: 128Mi}}
"""
LIGHT = MANIFEST + '      args: ["1", "0", "100", "1", "0"]\n'
ALONE = (more('kubernetes = { manifest = "api.yaml" }'), write({"api.yaml": MANIFEST}))
VARIABLES = MANIFEST + "      envFrom: [{configMapRef: {name: api}}]\n"
CONFIG = "---\nkind: ConfigMap\nmetadata: {name: api}\ndata: {OTHER: '1'}\n"

CASES = [
    attack("nothing is hidden", OverBudget("api"), base=ALONE),
    attack("a lighter command", OverBudget("api", "kubernetes"), write({"api.yaml": LIGHT}), base=ALONE),
    attack(
        "a variable of a ConfigMap",
        OverBudget("api", "kubernetes"),
        write({"api.yaml": VARIABLES + CONFIG.replace("OTHER", "SMALL")}),
        base=(*ALONE, write({"api.yaml": VARIABLES + CONFIG})),
        breaking=(write({"api/Dockerfile": obeying("env", "SMALL")}),),
    ),
    attack(
        "another manifest",
        OverBudget("api", "kubernetes"),
        edit("api.yaml", "light.yaml"),
        write({"light.yaml": LIGHT}),
        base=ALONE,
    ),
    attack(
        "a link to another manifest",
        OverBudget("api", "kubernetes"),
        write({"light.yaml": LIGHT}),
        link("api.yaml", "light.yaml"),
        base=ALONE,
    ),
    attack(
        "another container",
        OverBudget("api", "kubernetes"),
        edit('"api.yaml"', '"api.yaml", container = "light"'),
        write({"api.yaml": MANIFEST + LIGHT.partition("containers:\n")[2].replace("main", "light")}),
        base=ALONE,
    ),
    attack(
        "no manifest any more",
        OverBudget("api", "kubernetes"),
        edit('kubernetes = { manifest = "api.yaml" }', ""),
        base=(*ALONE, write({"api.yaml": MANIFEST + "      env: [{name: BIG, value: '1'}]\n"})),
        breaking=(write({"api/Dockerfile": obeying("env", "BIG").replace('"90", "20"', '"20", "90"')}),),
    ),
    attack(
        "a larger limit of the manifest",
        Loosened("api", "limit"),
        write({"api.yaml": MANIFEST.replace("128Mi", "256Mi")}),
        base=(edit('limit = "128MiB"', ""), *ALONE),
        breaking=(),
    ),
    attack(
        "a container with more rights than others",
        Refused(("securityContext.privileged is more than a measured container may have",)),
        write({"api.yaml": MANIFEST + "      securityContext: {privileged: true}\n"}),
        base=ALONE,
    ),
    honest(
        "a new tag",
        Green(),
        write({"api.yaml": MANIFEST.replace("api:1", "api:2")}),
        base=ALONE,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_head_is_judged_in_the_pod_of_the_base(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)
