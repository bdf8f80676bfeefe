"""A report that another workflow run left, as a stranger may have written it, and the pull request it is for."""

from dataclasses import dataclass

from membudget.publish.pull_request import NotPosted, PullRequest
from membudget.publish.report_file import parse_report
from membudget.publish.servers.github_artifact import artifact_report
from membudget.publish.servers.github_event import MeasuringRun
from membudget.publish.servers.github_pull_request import pull_request_of
from membudget.publish.servers.http_api import ApiFault, HttpApi
from membudget.report.report import Report


@dataclass(frozen=True, slots=True)
class ForeignReport:
    """What there is to tell, and of which pull request: that, no file says."""

    report: Report
    pull_request: PullRequest | None
    """None: it was measured for no pull request, but for a merge queue or a push."""


def fetch(api: HttpApi, repository: str, measured: MeasuringRun, artifact: str) -> ForeignReport | NotPosted:
    """The report of a run; or why there is nothing to tell. Raises ConfigurationError for what is no report."""
    try:
        pull_request = pull_request_of(api, repository, measured)
        if isinstance(pull_request, NotPosted) and not pull_request.is_wanted:
            return pull_request
        data = artifact_report(api, repository, measured.run.id, artifact)
    except ApiFault as fault:
        return NotPosted(f"the report of run {measured.run.id} cannot be fetched: {fault}")
    if data is None:
        return NotPosted(f"run {measured.run.id} left no artifact {artifact}; its log says why")
    report = parse_report(data, f"report.json of run {measured.run.id}")
    return ForeignReport(report, pull_request if isinstance(pull_request, PullRequest) else None)
