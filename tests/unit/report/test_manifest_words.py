import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from membudget.budgets.fit import LastFit
from membudget.budgets.manifests import ManifestRule
from membudget.core.quantities import MIB
from membudget.core.untrusted_text import Quoted, raw
from membudget.judge.manifests import ManifestJudgement
from membudget.judge.metric import Verdict
from membudget.report.manifest_words import LABELS, diff_lines, finding_words, headline_words
from tests.support.manifests import api, checked, containers, found_in, judged
from tests.unit.test_manifests_page import example

R = ManifestRule
SAID = {
    R.LIMIT_BELOW_NEED: "api.yaml:9: Deployment/api container api: the limit of 160.0 MiB is below 200.0 MiB, the"
    " smallest comfortable limit of its last fit → write 230Mi",
    R.LIMIT_LOWERED: "this change lowers the limit from 256.0 MiB to 128.0 MiB, below 200.0 MiB, the smallest",
    R.POD_BELOW_SUM: "api.yaml:4: Pod/api: the limit of all containers together, 220.0 MiB, is below 264.0 MiB",
    R.REQUEST_ABOVE_LIMIT: "the request of 512.0 MiB is above the limit of 256.0 MiB, which Kubernetes refuses",
    R.NO_LIMIT: "there is no memory limit → add limits.memory: 230Mi",
    R.NO_REQUEST: "there is no memory request, so a node reserves nothing for it → add"
    " resources.requests.memory: 120Mi",
    R.REQUEST_BELOW_SETTLED: "the request of 64.0 MiB is below 120.0 MiB, its settled working set → write 120Mi",
    R.LIMIT_FAR_ABOVE_NEED: "the limit of 1.0 GiB is more than twice 200.0 MiB",
    R.INIT_RESERVES_MORE: "container migrate: because of this init container, the pod reserves 1.0 GiB while it exists",
    R.MEMORY_VOLUME: "the limit of 256.0 MiB is below 328.0 MiB: the smallest comfortable limit of its last fit, and"
    " 128.0 MiB of memory volumes → write 358Mi",
    R.HPA_CANNOT_SCALE_DOWN: "at rest, a pod uses 120.0 MiB of 128.0 MiB of the target (80 % of the request of 160.0"
    " MiB): 93.8%. The HPA scales down only below 90% → set the pod's request to",
    R.HPA_AND_VPA: "an HPA and a VPA both act on memory: each reacts to the changes of the other",
    R.VPA_BELOW_NEED: "the maxAllowed of 128.0 MiB is below 200.0 MiB, the smallest comfortable limit of its last fit",
    R.NO_CONTAINER: "api.yaml: none of its containers runs an image of the budgets file, so membudget checks nothing"
    " in it → name them in containers",
}


@pytest.mark.parametrize("rule", ManifestRule)
def test_each_rule_has_a_sentence_with_its_sum(rule: ManifestRule) -> None:
    breaks = example(rule, "Breaks it")
    assert breaks is not None
    (finding,) = (one for one in found_in(breaks, base=example(rule, "In the base")) if one.rule is rule)
    said = raw(finding_words(finding))
    assert SAID[rule] in said
    assert LABELS[rule]


def test_what_a_manifest_says_is_quoted() -> None:
    text = "- name: '**bold**'\n  image: '@everyone/api'\n  resources: {limits: {memory: 1Mi}}\n"
    (finding, *_) = found_in(text)
    ours = "".join(part for part in finding_words(finding) if not isinstance(part, Quoted))
    assert "bold" not in ours
    assert "everyone" not in ours


def test_a_killed_head_is_told_so() -> None:
    text = "- name: api\n  image: shop/api\n  resources: {limits: {memory: 256Mi}}\n"
    (finding, *_) = found_in(text, api(killed=True))
    assert "the limit is 256.0 MiB, and the head is OOM-killed at 256.0 MiB" in raw(finding_words(finding))


def test_the_headline_names_one_finding_or_counts_them() -> None:
    text = containers("- {name: api, image: shop/api, resources: {limits: {memory: 150Mi}}}")
    one = judged(checked({"a.yaml": text}))
    assert raw(headline_words(one, fails=True)) == "a.yaml:7 limit too low"
    two = ManifestJudgement(one.findings * 2)
    assert raw(headline_words(two, fails=True)) == "2 findings in manifests"
    assert headline_words(ManifestJudgement(), fails=True) == ()


def test_the_diff_can_be_applied(tmp_path: Path) -> None:
    text = containers("- name: api\n  image: shop/api\n  resources:\n    limits:\n      memory: 150Mi # a\n")
    found = judged(checked({"a.yaml": text}))
    assert found.verdict is Verdict.FAIL
    (tmp_path / "a.yaml").write_text(text)
    patch = "".join(f"{line}\n" for line in diff_lines(found))
    subprocess.run(["git", "apply", "--unidiff-zero"], cwd=tmp_path, input=patch, text=True, check=True)
    assert (tmp_path / "a.yaml").read_text() == text.replace("150Mi", "230Mi")
    assert list(diff_lines(found)) == [
        "--- a/a.yaml", "+++ b/a.yaml", "@@ -11 +11 @@", "-              memory: 150Mi # a",
        "+              memory: 230Mi # a",
    ]  # fmt: skip


@pytest.mark.parametrize("order", [("api", "worker"), ("worker", "api")])
def test_of_two_containers_that_share_a_value_the_larger_need_counts(order: tuple[str, str]) -> None:
    text = "x: &shared {limits: {memory: 100Mi}}\n" + containers(
        "".join(f"- {{name: {name}, image: shop/{name}, resources: *shared}}\n" for name in order)
    )
    larger = replace(api(fit=LastFit(400 * MIB, 400 * MIB, 15.0, 300 * MIB), peak=300), name="worker")
    found = judged(checked({"a.yaml": text}, images=("api", "worker")), api(), larger)
    assert list(diff_lines(found)) == [
        "--- a/a.yaml", "+++ b/a.yaml", "@@ -1 +1 @@", "-x: &shared {limits: {memory: 100Mi}}",
        "+x: &shared {limits: {memory: 460Mi}}",
    ]  # fmt: skip
