"""Requests with larger bodies: what a budgets file may say, and the workload that follows."""

import pytest

from membudget.budgets import file as budgets_file
from membudget.budgets.larger_bodies import with_larger_bodies
from membudget.budgets.workload import HttpWorkload
from membudget.core.errors import BudgetsFileError
from membudget.core.quantities import MIB

FILE = """\
version = 1
[images.api]
limit = "256MiB"
workload = {{ kind = "http", requests = [
  {{ path = "/up", method = "POST", body_size = "4MiB" }}, {{ path = "/down?n=1" }}, {{ path = "/" }}] }}
larger_bodies = {{ {} }}
"""


def fault_of(larger: str, text: str = FILE) -> str:
    with pytest.raises(BudgetsFileError) as caught:
        budgets_file.parse(text.format(larger), "budgets.toml")
    return str(caught.value)


def test_only_named_requests_change() -> None:
    larger = '"/up" = { body_size = "20MiB" }, "/down?n=1" = { path = "/down?n=9" }'
    spec = budgets_file.parse(FILE.format(larger), "budgets.toml")["api"]
    assert isinstance(spec.workload, HttpWorkload)
    changed = with_larger_bodies(spec.workload, spec.larger_bodies)
    assert [(one.path, one.body_size) for one in changed.requests] == [
        ("/up", 20 * MIB), ("/down?n=9", None), ("/", None),
    ]  # fmt: skip
    assert with_larger_bodies(spec.workload, {}) == spec.workload


@pytest.mark.parametrize(
    ("larger", "said"),
    [
        ('"/other" = { path = "/x" }', "names a path that the workload does not request"),
        ('"/up" = { body_size = "4MiB" }', "is not larger than the request's own"),
        ('"/down?n=1" = { body_size = "4MiB" }', "is not larger than the request's own"),
        ('"/up" = {}', "path, body_size or both"),
        ('"/up" = { body_size = "257MiB" }', "256MiB or less"),
        ('"/up" = { size = "20MiB" }', "size"),
    ],
    ids=["path", "equal", "no body", "empty", "too large", "key"],
)
def test_what_cannot_work_is_a_fault(larger: str, said: str) -> None:
    assert said in fault_of(larger)


def test_it_needs_a_workload_of_requests() -> None:
    text = 'version = 1\n[images.api]\nlimit = "64MiB"\nlarger_bodies = {{ {} }}\n'
    assert 'a workload of kind "http"' in fault_of('"/" = { path = "/x" }', text)
