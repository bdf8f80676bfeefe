"""Each rule fires and does not fire: with docs/manifests.md, where each has two more examples."""

from dataclasses import replace
from functools import partial

import pytest

from membudget.budgets.fit import LastFit
from membudget.budgets.manifests import ManifestRule, ManifestRules
from membudget.core.quantities import GIB, MIB
from membudget.judge.manifests import Basis
from membudget.judge.measurement import ImageMeasurement, Presence
from membudget.judge.metric import Verdict
from tests.support.manifests import STRICT, api, checked, containers, found_in, judged, patched

R = ManifestRule
GROWN = api(peak=220)
"""Its peak is no longer near that of the fit."""
UNFITTED = api(fit=None)
KILLED = api(killed=True)


def container(limit: str | None, request: str | None = None, image: str = "shop/api") -> str:
    limits = f"limits: {{memory: {limit}}}" if limit is not None else ""
    requests = f"requests: {{memory: {request}}}" if request is not None else ""
    resources = ", ".join(part for part in (limits, requests) if part)
    return f"- name: api\n  image: {image}\n  resources: {{{resources}}}\n"


@pytest.mark.parametrize(
    ("text", "measured", "rules"),
    [
        (container("200Mi"), api(), []),
        (container("199Mi"), api(), [R.LIMIT_BELOW_NEED]),
        (container("400Mi"), api(), []),
        (container("401Mi"), api(), [R.LIMIT_FAR_ABOVE_NEED]),
        (container("220Mi"), GROWN, []),
        (container("219Mi"), GROWN, [R.LIMIT_BELOW_NEED]),
        (container("8Gi"), GROWN, []),
        (container("160Mi"), UNFITTED, []),
        (container("159Mi"), UNFITTED, [R.LIMIT_BELOW_NEED]),
        (container("8Gi"), UNFITTED, []),
        (container("256Mi"), KILLED, [R.LIMIT_BELOW_NEED]),
        (container("257Mi"), KILLED, []),
        (container("256M"), api(), []),
        (container("1.5e8"), api(), [R.LIMIT_BELOW_NEED]),
        (container("128974848000m", "120Mi"), api(), [R.LIMIT_BELOW_NEED]),
        (container("0.2Gi"), api(), []),
        (container("1Ei"), api(), [R.LIMIT_FAR_ABOVE_NEED]),
        (container("256Mi", "119Mi"), api(), [R.REQUEST_BELOW_SETTLED]),
        (container("256Mi", "120Mi"), api(), []),
        (container("256Mi", "0"), api(), [R.REQUEST_BELOW_SETTLED]),
        (container("256Mi", "1Mi"), api(settled=None), []),
        (container("256Mi", "257Mi"), api(), [R.REQUEST_ABOVE_LIMIT]),
        (container("256Mi", "256Mi"), api(), []),
        (container(None, "120Mi"), api(), [R.NO_LIMIT]),
        (container(None), api(), [R.NO_LIMIT, R.NO_REQUEST]),
        (container("100Mi"), api(), [R.LIMIT_BELOW_NEED, R.REQUEST_BELOW_SETTLED]),
        (container("1Mi", image="shop/other"), api(), [R.NO_CONTAINER]),
        (container("1Mi", image="registry:5000/shop/api:1.2@sha256:ab"), api(),
         [R.LIMIT_BELOW_NEED, R.REQUEST_BELOW_SETTLED]),
        (container("1Mi", image="shop/api-worker"), api(), [R.NO_CONTAINER]),
    ],
)  # fmt: skip
def test_rules_of_containers(text: str, measured: ImageMeasurement, rules: list[ManifestRule]) -> None:
    assert [finding.rule for finding in found_in(text, measured)] == rules


@pytest.mark.parametrize(
    ("before", "after", "rules"),
    [
        ("256Mi", "199Mi", [R.LIMIT_LOWERED]),
        ("256Mi", "200Mi", []),
        ("199Mi", "190Mi", [R.LIMIT_BELOW_NEED]),
        ("150Mi", "190Mi", [R.LIMIT_BELOW_NEED]),
        ("190Mi", "190Mi", [R.LIMIT_BELOW_NEED]),
        (None, "190Mi", [R.LIMIT_BELOW_NEED]),
    ],
)
def test_a_limit_lowered_by_this_change_is_a_finding_of_its_own(
    before: str | None, after: str, rules: list[ManifestRule]
) -> None:
    assert [finding.rule for finding in found_in(container(after), base=container(before))] == rules


def test_a_lowered_limit_has_both_figures_and_the_value_that_fits() -> None:
    (finding,) = found_in(container("199Mi"), base=container("256Mi"))
    assert (finding.before_bytes, finding.found_bytes, finding.other_bytes) == (256 * MIB, 199 * MIB, 200 * MIB)
    assert finding.basis is Basis.COMFORTABLE
    assert finding.fitting_bytes == 230 * MIB
    assert finding.patch is not None
    assert finding.patch.after == ("          resources: {limits: {memory: 230Mi}}",)


def test_without_the_rule_about_this_change_the_other_one_tells_it() -> None:
    rules = STRICT.model_copy(update={"limit_lowered": "off"})
    head, base = ({"api.yaml": containers(container(limit))} for limit in ("199Mi", "256Mi"))
    found = judged(checked(head, base, rules))
    assert [finding.rule for finding in found.findings] == [R.LIMIT_BELOW_NEED]


def test_a_fit_without_a_comfortable_limit_counts_as_what_survives() -> None:
    survives = api(fit=LastFit(180 * MIB, 180 * MIB, 15.0, 160 * MIB))
    (finding,) = found_in(container("179Mi"), survives)
    assert finding.basis is Basis.SURVIVES


def test_nothing_fits_what_is_killed_at_the_limit_of_the_budgets_file() -> None:
    (finding, *_) = found_in(container("256Mi"), KILLED)
    assert (finding.basis, finding.fitting_bytes, finding.change) == (Basis.KILLED, None, None)


@pytest.mark.parametrize(
    ("kind", "size", "limit", "rules"),
    [
        ("sizeLimit: 50Mi", "", "256Mi", []),
        ("sizeLimit: 57Mi", "", "256Mi", [R.MEMORY_VOLUME]),
        ("sizeLimit: 1Gi", "", "199Mi", [R.LIMIT_BELOW_NEED]),
        ("", "", "256Mi", [R.MEMORY_VOLUME]),
        ("sizeLimit: 200Mi", "", "600Mi", []),
        ("sizeLimit: 200Mi", "", "601Mi", [R.LIMIT_FAR_ABOVE_NEED]),
    ],
)
def test_volumes_in_memory_count(kind: str, size: str, limit: str, rules: list[ManifestRule]) -> None:
    text = "kind: Pod\nspec:\n  volumes:\n    - name: tmp\n      emptyDir: {medium: Memory, " + kind + "}\n"
    text += "    - {name: disk, emptyDir: {}}\n  containers:\n    - name: api\n      image: shop/api\n"
    text += "      volumeMounts: [{name: tmp}, {name: disk}]\n"
    text += f"      resources: {{limits: {{memory: {limit}}}, requests: {{memory: 150Mi}}}}\n{size}"
    assert [finding.rule for finding in found_in(text)] == rules


def test_a_compose_service_has_limits_in_its_own_units() -> None:
    text = "services:\n  api:\n    image: shop/api\n    mem_limit: 128m\n"
    (finding, *_) = found_in(text, path="compose.yaml")
    assert finding.rule is R.LIMIT_BELOW_NEED
    assert finding.patch is not None
    assert finding.patch.after == ("    mem_limit: 230m",)


def test_a_compose_service_needs_no_request() -> None:
    text = "services:\n  api:\n    build: .\n"
    assert [finding.rule for finding in found_in(text, path="compose.yaml")] == [R.NO_LIMIT]


def test_a_task_of_ecs_has_limits_in_mebibytes() -> None:
    text = '{"family": "shop", "containerDefinitions": [\n  {"name": "api", "image": "shop/api:1", "memory": 150}\n]}\n'
    (finding, *_) = found_in(text, path="task.json")
    assert finding.patch is not None
    assert finding.patch.after == ('  {"name": "api", "image": "shop/api:1", "memory": 230}',)


def test_severities_decide_the_verdict() -> None:
    manifests = checked({"api.yaml": containers(container("199Mi"))})
    assert judged(manifests).verdict is Verdict.FAIL
    for severity, verdict in (("warn", Verdict.WARN), ("off", Verdict.PASS)):
        rules = ManifestRules.model_validate({"limit_below_need": severity})
        milder = judged(checked({"api.yaml": containers(container("199Mi"))}, rules=rules))
        assert milder.verdict is verdict


def test_what_cannot_be_read_is_inconclusive() -> None:
    found = judged(checked({"api.yaml": containers(container("lots", "200Mi"))}))
    assert found.verdict is Verdict.INCONCLUSIVE
    (fault,) = found.faults
    assert fault.key == "Deployment/api: api: resources.limits.memory"


def test_without_figures_only_rules_without_figures_are_held() -> None:
    unknown = replace(api(fit=None, settled=None), head=None)
    assert [one.rule for one in found_in(container("1Mi"), unknown)] == []
    assert [one.rule for one in found_in(container(None), unknown)] == [R.NO_LIMIT, R.NO_REQUEST]


@pytest.mark.parametrize("limit", ["1Mi", "100Mi", "150Mi", "180Mi", "199Mi", "401Mi", "3Gi"])
@pytest.mark.parametrize("request_", ["10Mi", "119Mi", "121Mi", "5Gi"])
def test_each_change_silences_its_finding(limit: str, request_: str) -> None:
    files = {"api.yaml": containers(container(limit, request_))}
    found = found_in(files["api.yaml"])
    assert found
    for finding in found:
        if finding.patch is not None:
            after = patched(files, finding.patch)["api.yaml"]
            assert finding.rule not in {one.rule for one in found_in(after)}


def test_an_image_that_the_head_removed_is_held_to_nothing() -> None:
    removed = replace(api(), head=None, presence=Presence.REMOVED)
    assert judged(checked({"api.yaml": containers(container(None))}), removed).findings == ()


def test_a_forged_line_gives_no_change() -> None:
    manifests = checked({"api.yaml": containers(container("199Mi"))})
    for text, line in (("", "x"), ("199Mi", "199Mi 199Mi"), ("199Mi", "other")):
        head = manifests.head.with_amounts(partial(replace, text=text, line_text=line))
        (finding,) = judged(replace(manifests, head=head)).findings
        assert finding.change is None


def test_a_limit_of_gibibytes_is_a_number_like_any_other() -> None:
    assert [one.found_bytes for one in found_in(container("1Gi"))] == [GIB]
