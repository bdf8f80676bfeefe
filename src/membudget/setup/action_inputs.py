"""The inputs of the action and of the workflows check.yml and report.yml, and which values they take.

A test compares the names with `action.yml` and the workflows, and the values with what the action accepts.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from membudget.budgets.key_path import similar
from membudget.core.errors import ConfigurationError
from membudget.core.quantities import parse_whole
from membudget.core.sharding import MOST_SHARDS, Shard
from membudget.core.work import parse_jobs
from membudget.judge.whole import FailOn
from membudget.publish.comment import KEY_HINT, CommentMode, CommentSettings
from membudget.publish.commit_state import StatusMode
from membudget.setup.workflow_files import Input, Kind


@dataclass(frozen=True, slots=True)
class Values:
    """The values that an input takes. By default any text."""

    choices: tuple[str, ...] = ()
    most: int | None = None
    is_jobs: bool = False
    is_shard: bool = False
    is_key: bool = False
    """Whether it is the key of a comment."""

    def fault(self, value: str) -> tuple[str, str | None] | None:
        """Return what is allowed instead of `value`, and what was probably meant. None if the value is valid."""
        if self.choices and value not in self.choices:
            return ", ".join(self.choices), similar(value, self.choices)
        try:
            if self.most is not None:
                parse_whole(value, 1, self.most)
            if self.is_jobs:
                parse_jobs(value)
            if self.is_shard:
                Shard.parse(value)
            if self.is_key:
                CommentSettings(value)
        except ValueError as error:
            return str(error), None
        except ConfigurationError:
            return (
                f"a part and the number of parts, like 2/3, at most {MOST_SHARDS}" if self.is_shard else KEY_HINT,
                None,
            )
        return None


_ANY = Values()
_TRUTH = Values(("true", "false"))
_COMMENT = Values(tuple(CommentMode))
_STATUS = Values(tuple(StatusMode))
_FAIL_ON = Values(tuple(FailOn))

INPUTS: Mapping[Kind, Mapping[str, Values]] = {
    Kind.ACTION: {
        "budgets": _ANY,
        "base": _ANY,
        "report": _ANY,
        "key": Values(is_key=True),
        "github-token": _ANY,
        "comment": _COMMENT,
        "status": _STATUS,
        "jobs": Values(is_jobs=True),
        "approval-label": _ANY,
        "fail-on": _FAIL_ON,
        "allow-inconclusive": _TRUTH,
        "cache": _TRUTH,
        "command": Values(("check", "plan", "merge", "report")),
        "shards": Values(most=MOST_SHARDS),
        "shard": Values(is_shard=True),
        "images": _ANY,
        "reports": _ANY,
        "base-variants": _TRUTH,
        "page": _ANY,
        "artifact": _ANY,
        "secrets": _ANY,
    },
    Kind.CHECK: {
        "budgets": _ANY,
        "runs-on": _ANY,
        "timeout-minutes": Values(most=10_000),
        "jobs": Values(is_jobs=True),
        "fail-on": _FAIL_ON,
        "allow-inconclusive": _TRUTH,
        "approval-label": _ANY,
        "artifact": _ANY,
    },
    Kind.REPORT: {
        "key": Values(is_key=True),
        "comment": _COMMENT,
        "status": _STATUS,
        "fail-on": _FAIL_ON,
        "allow-inconclusive": _TRUTH,
        "artifact": _ANY,
        "runs-on": _ANY,
    },
    Kind.COMMAND: {},
}
"""The inputs by what is used."""


def known_value(given: Input) -> str | None:
    """Return the value of an input. None if it is empty, so that the default counts, or known to the runner alone."""
    value = given.value
    if value is None or value.has_expression or value.is_null:
        return None
    return value.text.strip() or None
