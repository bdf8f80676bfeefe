"""The action's inputs. The runner passes each as INPUT_NAME; `action.yml` declares the same ones (a test compares)."""

from collections.abc import MutableMapping
from dataclasses import dataclass, field, fields

from membudget.analysis.verdict import ExitPolicy, FailOn
from membudget.budgets.guard import DEFAULT_LABEL
from membudget.errors import ConfigurationError

MOST_JOBS = 64


@dataclass(frozen=True, slots=True)
class ActionInputs:
    """What the workflow gave under `with:`. Field names are input names with underscores."""

    budgets: str = "budgets.toml"
    base: str = ""
    report: str = "report.json"
    key: str = "default"
    github_token: str = field(default="", repr=False)
    jobs: str = "1"
    approval_label: str = DEFAULT_LABEL
    fail_on: str = "fail"
    allow_inconclusive: str = "false"

    @property
    def most_jobs(self) -> int:
        """How many images may be measured side by side. Raises ConfigurationError."""
        if not self.jobs.isdecimal() or not 1 <= int(self.jobs) <= MOST_JOBS:
            raise ConfigurationError(f"jobs: {self.jobs!r} is not a whole number from 1 to {MOST_JOBS}")
        return int(self.jobs)

    @property
    def exit_policy(self) -> ExitPolicy:
        """What the verdict means for the job. Raises ConfigurationError."""
        if self.fail_on not in list(FailOn):
            raise ConfigurationError(f"fail-on: {self.fail_on!r} is none of {', '.join(FailOn)}")
        if self.allow_inconclusive not in ("true", "false"):
            raise ConfigurationError(f"allow-inconclusive: {self.allow_inconclusive!r} is neither true nor false")
        return ExitPolicy(FailOn(self.fail_on), self.allow_inconclusive == "true")

    @classmethod
    def names(cls) -> list[str]:
        """As in `action.yml`."""
        return [declared.name.replace("_", "-") for declared in fields(cls)]

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> "ActionInputs":
        """Read the inputs and remove the token from `environ`: what runs after this has no use for it."""
        given = {}
        for name in cls.names():
            value = environ.get(f"INPUT_{name.upper()}", "").strip()
            if value:
                given[name.replace("-", "_")] = value
        environ.pop("INPUT_GITHUB-TOKEN", None)
        environ.pop("GITHUB_TOKEN", None)
        return cls(**given)
