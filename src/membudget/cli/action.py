"""The action's inputs. The runner passes each as INPUT_NAME. A test compares them with `action.yml`."""

import argparse
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from pydantic import SecretStr

from membudget.budgets.loosening import DEFAULT_LABEL
from membudget.build.history_place import HistoryPlace, parse_place
from membudget.core.errors import ConfigurationError, shortened
from membudget.core.quantities import parse_whole
from membudget.core.sharding import MOST_SHARDS
from membudget.core.work import AUTO_JOBS, parse_jobs
from membudget.judge.fitted import MOST_CONFIRMATIONS
from membudget.judge.whole import ExitPolicy, FailOn
from membudget.publish.comment import CommentMode, CommentSettings
from membudget.publish.commit_state import StatusMode
from membudget.publish.servers.registry import take_token

Parse = Callable[[Sequence[str]], argparse.Namespace]
"""Parses the arguments of membudget. The parser imports the commands, so no command can import it."""
DEFAULT_ARTIFACT = "membudget-report"
COMMANDS = ("check", "plan", "merge", "report", "fit", "plan-fit", "backfill")


@dataclass(frozen=True, slots=True)
class ActionInputs:
    """The values under `with:` in the workflow. Field names are input names with underscores."""

    budgets: str = "budgets.toml"
    base: str = ""
    report: str = "report.json"
    key: str = "default"
    github_token: SecretStr = SecretStr("")
    comment: str = "changes"
    status: str = "none"
    jobs: str = AUTO_JOBS
    approval_label: str = DEFAULT_LABEL
    fail_on: str = "fail"
    allow_inconclusive: str = "false"
    cache: str = "true"
    command: str = "check"
    shards: str = "1"
    shard: str = ""
    images: str = ""
    reports: str = ""
    base_variants: str = "false"
    profile: str = "false"
    page: str = ""
    sarif: str = ""
    artifact: str = DEFAULT_ARTIFACT
    secrets: str = ""
    confirm: str = "10"
    write: str = "false"
    record_history: str = "false"
    history: str = "notes"
    stale: str = ""
    time_budget: str = ""

    @property
    def chosen_command(self) -> Literal["check", "plan", "merge", "report", "fit", "plan-fit", "backfill"]:
        """The command to run. Raises ConfigurationError."""
        match self.command:
            case "check" | "plan" | "report" | "fit" | "plan-fit" | "backfill":
                return self.command
            case "merge" if self.reports:
                return "merge"
            case "merge":
                raise ConfigurationError("reports: name the folder that holds the reports of the shards")
            case _:
                raise ConfigurationError(f"command: {self.command!r} is none of {', '.join(COMMANDS)}")

    @property
    def comment_settings(self) -> CommentSettings:
        """The comment's key, and when to create it. Raises ConfigurationError."""
        if self.comment not in list(CommentMode):
            raise ConfigurationError(f"comment: {self.comment!r} is none of {', '.join(CommentMode)}")
        return CommentSettings(self.key, CommentMode(self.comment))

    @property
    def status_mode(self) -> StatusMode:
        """The kind of state to set on the head commit. Raises ConfigurationError."""
        if self.status not in list(StatusMode):
            raise ConfigurationError(f"status: {self.status!r} is none of {', '.join(StatusMode)}")
        return StatusMode(self.status)

    @property
    def most_jobs(self) -> int | None:
        """The most images that are measured at the same time. None: as many as fit. Raises ConfigurationError."""
        try:
            return parse_jobs(self.jobs)
        except ValueError as error:
            raise ConfigurationError(f"jobs: {shortened(self.jobs)!r} is not {error}") from None

    @property
    def most_shards(self) -> int:
        """The most jobs that share the images. Raises ConfigurationError."""
        try:
            return parse_whole(self.shards, 1, MOST_SHARDS)
        except ValueError as error:
            raise ConfigurationError(f"shards: {shortened(self.shards)!r} is not {error}") from None

    @property
    def only(self) -> tuple[str, ...]:
        """The images to check. Empty: all."""
        return tuple(self.images.replace(",", " ").split())

    @property
    def allowed_secrets(self) -> tuple[str, ...]:
        """The secrets that workloads may get. Empty: any, but new ones in a pull request need approval."""
        return tuple(self.secrets.replace(",", " ").split())

    @property
    def remembers(self) -> bool:
        """Whether to reuse cached results. Raises ConfigurationError."""
        return _is_true("cache", self.cache)

    @property
    def looks_up_bases(self) -> bool:
        """Whether to ask registries for smaller variants of base images. Raises ConfigurationError."""
        return _is_true("base-variants", self.base_variants)

    @property
    def profiles(self) -> bool:
        """Whether to profile every image that is run. Raises ConfigurationError."""
        return _is_true("profile", self.profile)

    @property
    def confirmations(self) -> int:
        """How many trials of a fit have to pass. Raises ConfigurationError."""
        try:
            return parse_whole(self.confirm, 1, MOST_CONFIRMATIONS)
        except ValueError as error:
            raise ConfigurationError(f"confirm: {shortened(self.confirm)!r} is not {error}") from None

    @property
    def writes(self) -> bool:
        """Whether a fit writes its limits. Raises ConfigurationError."""
        return _is_true("write", self.write)

    @property
    def records_history(self) -> bool:
        """Whether the figures of pushes to the default branch are kept. Raises ConfigurationError."""
        return _is_true("record-history", self.record_history)

    @property
    def history_place(self) -> HistoryPlace:
        """Where the history is kept. Raises ConfigurationError."""
        return parse_place(self.history)

    def check_history(self) -> None:
        """Raises ConfigurationError if an input about the history is wrong."""
        _ = self.records_history, self.history_place

    def fit_options(self, parse: Parse) -> argparse.Namespace:
        """Return the options of `membudget fit` for the same. Raises ConfigurationError."""
        arguments = ["fit", "--budgets", self.budgets, "--report", self.report, "--jobs", self.jobs]
        arguments += ["--confirm", str(self.confirmations)]
        arguments += ["--shard", self.shard] if self.shard else []
        arguments += ["--from", self.reports] if self.reports else []
        arguments += ["--write"] if self.writes else []
        arguments += [] if self.remembers else ["--no-cache"]
        return self._parsed(parse, [*arguments, *self.only])

    def backfill_options(self, parse: Parse) -> argparse.Namespace:
        """Return the options of `membudget backfill` for the same. Raises ConfigurationError."""
        if not self.stale:
            raise ConfigurationError("stale: write after how many days an image is measured again, such as 7d")
        arguments = ["backfill", "--stale", self.stale, "--budgets", self.budgets, "--jobs", self.jobs]
        arguments += ["--time-budget", self.time_budget] if self.time_budget else []
        arguments += ["--history", self.history, *(["--push"] if self.history_place.is_ref else [])]
        return self._parsed(parse, [*arguments, *self.only])

    def _parsed(self, parse: Parse, arguments: Sequence[str]) -> argparse.Namespace:
        try:
            return parse(arguments)
        except SystemExit:  # the parser has said why
            where = f"command: {self.command}"
            raise ConfigurationError("an input of the action is invalid, see above", where=where) from None

    @property
    def exit_policy(self) -> ExitPolicy:
        """Decides the exit code for a verdict. Raises ConfigurationError."""
        if self.fail_on not in list(FailOn):
            raise ConfigurationError(f"fail-on: {self.fail_on!r} is none of {', '.join(FailOn)}")
        return ExitPolicy(FailOn(self.fail_on), _is_true("allow-inconclusive", self.allow_inconclusive))

    @classmethod
    def names(cls) -> list[str]:
        """Return the names of the inputs, as in `action.yml`."""
        return [declared.name.replace("_", "-") for declared in fields(cls)]

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> "ActionInputs":
        """Read the inputs, and remove all tokens from `environ`, because nothing else needs them."""
        token = SecretStr(environ.pop("INPUT_GITHUB-TOKEN", "").strip())
        take_token(environ)
        given = {}
        for name in cls.names():
            value = environ.get(f"INPUT_{name.upper()}", "").strip()
            if value:
                given[name.replace("-", "_")] = value
        return cls(**given, github_token=token)


def _is_true(name: str, text: str) -> bool:
    if text not in ("true", "false"):
        raise ConfigurationError(f"{name}: {text!r} is neither true nor false")
    return text == "true"
