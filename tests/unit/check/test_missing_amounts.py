"""Where a limit, a request or a size is missing, the change adds it in the file's form and silences the finding."""

import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from membudget.budgets.manifests import ManifestRule
from membudget.report.manifest_words import diff_lines
from tests.support.manifests import DEPLOYMENT, STRICT, checked, containers, found_in, judged, patched

R = ManifestRule


def added(text: str, rule: ManifestRule = R.NO_LIMIT, path: str = "api.yaml") -> str | None:
    """The file with the change for a rule. None if there is none. It silences the rule and fits no other place."""
    (finding, *_) = (one for one in found_in(text, path=path) if one.rule is rule)
    if finding.patch is None:
        return None
    after = patched({path: containers(text)}, finding.patch)[path]
    left = found_in(after, path=path)
    assert rule not in {one.rule for one in left}
    assert len(left) < len(found_in(text, path=path))
    return after


def lines_added(before: str, after: str | None) -> list[str]:
    assert after is not None
    old = containers(before).split("\n")
    return [line for line in after.split("\n") if line not in old]


BOTH = ["resources:", "  requests:", "    memory: 120Mi", "  limits:", "    memory: 230Mi"]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("- name: api\n  image: shop/api\n", [f"          {one}" for one in BOTH]),
        ("- image: shop/api\n  args:\n    - a\n", [f"          {one}" for one in BOTH]),
        ("- command:\n    - a\n  image: shop/api # pinned\n  ports: []\n", [f"          {one}" for one in BOTH]),
        ("- {name: api, image: shop/api}\n",
         ["        - {resources: {requests: {memory: 120Mi}, limits: {memory: 230Mi}}, name: api, image: shop/api}"]),
        ("- name: api\n  image: shop/api\n  resources: {}\n",
         ["          resources: {requests: {memory: 120Mi}, limits: {memory: 230Mi}}"]),
        ("- name: api\n  image: shop/api\n  resources:\n", [f"          {one}" for one in BOTH[1:]]),
        ("- name: api\n  image: shop/api\n  resources: # none yet\n", [f"          {one}" for one in BOTH[1:]]),
        ("- name: api\n  image: shop/api\n  resources:\n    requests:\n      memory: 128Mi\n",
         ["            limits:", "              memory: 230Mi"]),
        ("- image: shop/api\n  resources:\n    requests: {memory: 300Mi}\n    limits:\n      cpu: 1\n",
         ["              memory: 300Mi"]),
        ("- name: api\n  image: shop/api\n  resources: {limits: {cpu: 1}, requests: {memory: 128Mi}}\n",
         ["          resources: {limits: {memory: 230Mi, cpu: 1}, requests: {memory: 128Mi}}"]),
        ("- name: api\n  image: shop/api\n  resources: {requests: {memory: 128Mi}, limits: {}}\n",
         ["          resources: {requests: {memory: 128Mi}, limits: {memory: 230Mi}}"]),
        ("- name: api\n  image: shop/api\n  resources: {\n    requests: {memory: 128Mi},\n  }\n",
         ["            limits: {memory: 230Mi},"]),
    ],
)  # fmt: skip
def test_what_is_missing_is_added_as_the_file_is_written(text: str, lines: list[str]) -> None:
    assert lines_added(text, added(text)) == lines


def test_a_file_that_indents_by_four_is_indented_by_four() -> None:
    text = "kind: Pod\nspec:\n    containers:\n        - name: api\n          image: shop/api\n"
    after = added(text)
    assert after is not None
    assert after.endswith(
        "          image: shop/api\n          resources:\n              requests:\n                  memory: 120Mi\n"
        "              limits:\n                  memory: 230Mi\n"
    )


def test_only_the_request_is_added_for_the_rule_about_requests() -> None:
    text = "- name: api\n  image: shop/api\n"
    assert lines_added(text, added(text, R.NO_REQUEST)) == [f"          {one}" for one in BOTH[:3]]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("services:\n  api:\n    image: shop/api\n    ports: ['80:80']\n", ["    mem_limit: 230m"]),
        ("services:\n  api:\n    build:\n      context: .\n", ["    mem_limit: 230m"]),
        ("services:\n  api: {build: .}\n", ["  api: {mem_limit: 230m, build: .}"]),
        ("services:\n  api:\n    image: shop/api\n    deploy:\n      resources:\n        reservations: {memory: 9m}\n",
         ["        limits:", "          memory: 230m"]),
        ("services:\n  api:\n    image: shop/api\n    deploy:\n      resources:\n        limits: {cpus: '1'}\n",
         ["        limits: {memory: 230m, cpus: '1'}"]),
    ],
)  # fmt: skip
def test_a_service_of_compose_gets_the_key_that_it_can_have(text: str, lines: list[str]) -> None:
    assert lines_added(text, added(text, path="compose.yaml")) == lines


TASK = """{
  "family": "shop",
  "containerDefinitions": [
    {
      "name": "api",
      "image": "shop/api"
    }
  ]
}
"""


def test_a_task_of_ecs_gets_both_in_its_own_form() -> None:
    after = added(TASK, path="task.json")
    assert lines_added(TASK, after) == ['      "memoryReservation": 120, "memory": 230,']


def test_a_task_of_ecs_on_one_line_stays_on_one_line() -> None:
    after = added('{"containerDefinitions": [{"name": "api", "image": "shop/api"}]}\n', path="task.json")
    assert after is not None
    assert '[{"memoryReservation": 120, "memory": 230, "name": "api", "image": "shop/api"}]' in after


def test_manifests_in_json_stay_json() -> None:
    text = '{"kind": "Pod", "spec": {"containers": [\n  {"image": "shop/api"}\n]}}\n'
    after = added(text, path="pod.json")
    assert after is not None
    assert '{"resources": {"requests": {"memory": "120Mi"}, "limits": {"memory": "230Mi"}}, "image"' in after


VOLUME = """kind: Pod
spec:
  volumes:
    - name: cache
      emptyDir: {medium: Memory}
  containers:
    - name: api
      image: shop/api
      volumeMounts: [{name: cache}]
      resources: {limits: {memory: LIMIT}}
"""


def test_a_volume_in_memory_gets_what_the_limit_leaves() -> None:
    text = VOLUME.replace("LIMIT", "300Mi")
    assert lines_added(text, added(text, R.MEMORY_VOLUME)) == ["      emptyDir: {sizeLimit: 70Mi, medium: Memory}"]


def test_a_volume_in_memory_gets_no_size_if_the_limit_leaves_nothing() -> None:
    assert added(VOLUME.replace("LIMIT", "230Mi"), R.MEMORY_VOLUME) is None


@pytest.mark.parametrize(
    "text",
    [
        "x: &r {cpu: 1}\nkind: Pod\nspec:\n  containers:\n    - image: shop/api\n      resources: {limits: *r}\n",
        "kind: Pod\nspec:\n  containers:\n    - image: shop/api\n      resources: &r {}\n",
        "kind: Pod\nspec:\n  containers:\n    - image: shop/api\n      resources: ~\n",
        "kind: Pod\r\nspec:\r\n  containers:\r\n    - image: shop/api\r\n",
        "kind: Pod\nspec:\n  containers:\n    - image: shop/api",
        f"kind: Pod\nspec:\n  containers:\n    - image: shop/api # {'x' * 300}\n",
    ],
)
def test_where_no_place_is_safe_nothing_is_suggested(text: str) -> None:
    assert added(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "- name: api\n  image: shop/api\n- name: other\n  image: shop/api\n  resources: {limits: {memory: 1Mi}}\n",
        "- name: api\n  image: shop/api\n- name: b\n  image: shop/api\n- {name: c, image: shop/api}\n",
        "- name: api\n  image: shop/api\n  resources:\n    requests:\n      cpu: 1\n    limits:\n      cpu: 1\n",
    ],
)
def test_the_whole_diff_can_be_applied_and_settles_everything(text: str, tmp_path: Path) -> None:
    whole = containers(text)
    (tmp_path / "a.yaml").write_text(whole)
    found = judged(checked({"a.yaml": whole}, rules=STRICT))
    patch = "".join(f"{line}\n" for line in diff_lines(found))
    subprocess.run(["git", "apply", "--unidiff-zero"], cwd=tmp_path, input=patch, text=True, check=True)
    assert judged(checked({"a.yaml": (tmp_path / "a.yaml").read_text()}, rules=STRICT)).findings == ()


def test_the_added_lines_stand_below_their_line_in_the_diff() -> None:
    found = judged(checked({"a.yaml": containers("- name: api\n  image: shop/api\n")}, rules=STRICT))
    assert list(diff_lines(found))[2:] == [
        "@@ -8 +8,6 @@", "           image: shop/api", *(f"+          {one}" for one in BOTH),
    ]  # fmt: skip


NAMES = st.sampled_from(["name", "args", "env", "command", "ports", "image", "tty"])
VALUES = {
    "name": ["api", "'api'"],
    "args": ["[a, b]", "\n- a\n- b", "[\n  a,\n  b,\n]"],
    "env": ["\n- name: A\n  value: |\n    text\n\n    more", "[]"],
    "command": ["\n# why\n- sh", ""],
    "ports": ["[{containerPort: 80}] # http"],
    "image": ["shop/api", '"shop/api:1" # pinned', ">-\n  shop/api"],
    "tty": ["true"],
    "resources": ["{}", "", "\nlimits:\n  cpu: 1", "\nrequests: {cpu: 1}\n", "{limits: {cpu: 1}, requests: {}}",
                  "{\n  limits: {\n    cpu: 1\n  }\n}", "\nclaims:\n- name: a\nlimits: {}"],
}  # fmt: skip


@st.composite
def a_container(draw: st.DrawFn) -> str:
    """The lines of a container in one of the many ways in which people write one."""
    names = draw(st.lists(NAMES, unique=True, max_size=4))
    names = [*dict.fromkeys([*names, "image"]), *draw(st.sampled_from([[], ["resources"]]))]
    step = draw(st.sampled_from(["  ", "    "]))
    lines = []
    for name in draw(st.permutations(names)):
        first, *rest = f"{name}: {draw(st.sampled_from(VALUES[name]))}".rstrip().split("\n")
        lines += [first.rstrip(), *(f"{step}{line}" if line else line for line in rest)]
    return "\n".join([f"- {lines[0]}", *(f"  {line}" if line else line for line in lines[1:])]) + "\n"


@pytest.mark.thorough
@given(st.lists(a_container(), min_size=1, max_size=2))
def test_each_change_applied_silences_its_finding_and_the_file_still_parses(written: list[str]) -> None:
    text = DEPLOYMENT + "".join(f"        {line}\n" if line else "\n" for one in written for line in one.splitlines())
    yaml.safe_load(text)
    found = found_in(text)
    counted = {rule: sum(one.rule is rule for one in found) for rule in ManifestRule}
    for finding in found:
        if finding.patch is None:
            continue
        after = patched({"api.yaml": text}, finding.patch)["api.yaml"]
        old, new = (yaml.safe_load(one)["spec"]["template"]["spec"]["containers"] for one in (text, after))
        for one in (*old, *new):
            one.pop("resources", None)
        assert old == new
        assert sum(one.rule is finding.rule for one in found_in(after)) < counted[finding.rule]
