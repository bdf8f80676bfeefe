"""The commands: each passes adapters to a use case, and returns the exit code of its result."""

import argparse
import json
import os
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from pydantic import SecretStr

from membudget.advise.kept import FitFolder
from membudget.budgets.guard import AllowedSecrets
from membudget.budgets.loosening import Approval, LabelState
from membudget.budgets.schema import budgets_schema
from membudget.build.docker_build import Builder
from membudget.build.git import GitRepository
from membudget.build.git_workspace import workspace
from membudget.build.history_place import parse_place
from membudget.build.revision import BaseRequest
from membudget.build.sources import BaseVariants
from membudget.check import check as check_use_case
from membudget.check import merge as merge_use_case
from membudget.cli.action import ActionInputs, Parse
from membudget.cli.creep import with_creep
from membudget.cli.fit import fit_in_step
from membudget.cli.fit_tools import FitTools
from membudget.cli.history_store import HistorySource, keep_pushed, machine_of
from membudget.cli.measure import measuring_options
from membudget.cli.plan import plan_in_step
from membudget.cli.publisher import Addressee, Publisher, PublishSettings, lines_of
from membudget.cli.recent import with_recent
from membudget.cli.report import Output, output_of, show_result
from membudget.cli.request import Wanted, base_request, check_request
from membudget.cli.stale import refresh_in_step
from membudget.cli.tools import CheckTools
from membudget.cli.wiring import cache_folder, connected_engine, layer_cache, progress_display
from membudget.contents.stores.layer_cache import LayerCache
from membudget.core.errors import ConfigurationError, ExitCode
from membudget.core.files import remove_report, write_text
from membudget.core.sharding import Shard
from membudget.engine.connection import slowness
from membudget.engine.run_id import own_run_id
from membudget.judge.whole import ExitPolicy, FailOn
from membudget.measure.cache import ResultCache, Took, remember_durations
from membudget.measure.equipment import MeasuringOptions, measuring
from membudget.measure.profiling.memray_folder import MemrayFolders
from membudget.publish.approval_label import ApprovalLabel, label_state
from membudget.publish.comment import CommentMode, CommentSettings
from membudget.publish.commit_state import StatusMode
from membudget.publish.fit_file import refuse_fits
from membudget.publish.pull_request import NotPosted
from membudget.publish.report_file import read_report, read_reports, write_report
from membudget.publish.server import Event, Server
from membudget.publish.servers import registry
from membudget.publish.workflow import warn
from membudget.report.formats import sarif
from membudget.report.formats.terminal import Detail
from membudget.report.page import page
from membudget.report.report import JudgedReport, Report
from membudget.version import VERSION

_LEAST_DURATION_MS = 1000
"""A shorter time does not tell how long trials take: the image was unchanged, or its result was cached."""


def check(options: argparse.Namespace) -> ExitCode:
    """Run `membudget check`."""
    token = registry.take_token(os.environ)  # no workload may ask for it by its name
    how = output_of(options)
    remove_report(Path(options.report))
    wanted = Wanted(
        Path(options.budgets),
        BaseRequest(revision=options.base, none=options.no_base),
        only=tuple(options.image or ()),
        shard=Shard.parse(options.shard) if options.shard is not None else None,
        label=options.approval_label,
        remembers=not options.no_cache,
        looks_up_bases=options.base_variants,
        profiles=options.profile,
        secrets=AllowedSecrets.of(options.allow_secret),
        is_quiet=options.quiet,
        is_local=not registry.is_job(os.environ),
        is_approved=options.approved,
        history=HistorySource(parse_place(options.place), token),
    )
    if wanted.is_approved and not wanted.is_local:
        raise ConfigurationError(
            "--approved is for checks on your own machine",
            where="membudget check",
            fix=f"remove it; in a pull request, the label {wanted.label} approves looser budgets",
        )
    event = registry.server(os.environ, SecretStr("")).event()
    result = _run_check(wanted, event, label_state(event, wanted.label), measuring_options(options))
    policy = ExitPolicy(FailOn(options.fail_on), options.allow_inconclusive)
    if options.sarif is not None:
        write_text(sarif.render(result), Path(options.sarif), "the SARIF log")
    return _finish_check(result, Path(options.report), policy, how)


def merge(options: argparse.Namespace) -> ExitCode:
    """Run `membudget merge`."""
    how = output_of(options)
    result = _merged([Path(path) for path in options.reports], Path(options.report))
    policy = ExitPolicy(FailOn(options.fail_on), options.allow_inconclusive)
    return _finish_check(result, Path(options.report), policy, how)


def _merged(parts: Sequence[Path], path: Path) -> JudgedReport:
    """Return the combined result of the shards. `path` is for its report, and may be that of a part."""
    try:
        refuse_fits(parts)
        return merge_use_case.merge(read_reports(parts))
    finally:
        remove_report(path)


def publish(options: argparse.Namespace) -> ExitCode:
    """Run `membudget publish`."""
    token = registry.take_token(os.environ)
    path = Path(options.report)
    settings = PublishSettings(
        CommentSettings(options.key, CommentMode(options.comment)),
        StatusMode(options.status),
        ExitPolicy(FailOn(options.fail_on), options.allow_inconclusive),
    )
    report = read_report(path)
    _publisher(registry.server(os.environ, token), settings).publish(report.judged(), path)
    return ExitCode.WITHIN_BUDGET


def schema() -> ExitCode:
    """Run `membudget schema`."""
    print(json.dumps(budgets_schema(), indent=2))
    return ExitCode.WITHIN_BUDGET


def action(parse: Parse) -> ExitCode:
    """Run `membudget action`, as its input `command` says. The exit code does not depend on publishing.

    `parse` is membudget's own parser, for inputs that are options of another command.
    """
    inputs = ActionInputs.take(os.environ)
    policy, path = inputs.exit_policy, Path(inputs.report)  # wrong inputs fail before anything is built
    inputs.check_history()
    settings = PublishSettings(inputs.comment_settings, inputs.status_mode, policy)
    command = inputs.chosen_command
    if command == "fit":
        return fit_in_step(inputs, parse)
    if command == "backfill":
        return refresh_in_step(inputs, parse)
    if command in ("plan", "plan-fit"):
        return plan_in_step(inputs, Took.FIT if command == "plan-fit" else Took.CHECK)
    if command != "merge":
        remove_report(path)
    server = registry.server(os.environ, inputs.github_token)
    if command == "report":
        return _report(server, settings, path, inputs)
    publisher = _publisher(server, settings)
    with nullcontext() if inputs.shard else publisher.measuring():
        merges = command == "merge"
        result = _merged([Path(inputs.reports)], path) if merges else _run_action_check(inputs, server)
        exit_code = _finish_check(result, path, policy, Output(Detail.SHORT))
        if inputs.page:
            write_text(page.render(result), Path(inputs.page), "the page")
        if inputs.sarif and not inputs.shard:  # a part would close the alerts of the others
            write_text(sarif.render(result), Path(inputs.sarif), "the SARIF log")
        if result.report.shard is None:  # shards are published once they are merged
            publisher.publish(result, path, lines_of(inputs.budgets))
            keep_pushed(result.report, inputs, server)
    return exit_code


def _publisher(server: Server, settings: PublishSettings) -> Publisher:
    """Return the publisher of this run's own result."""
    event = server.event()
    return Publisher(server, settings, Addressee(event.pull_request, event.run), os.environ)


def _report(server: Server, settings: PublishSettings, path: Path, inputs: ActionInputs) -> ExitCode:
    """Publish what another run measured, maybe a stranger's code. That run's own exit code is the gate."""
    measured = server.event().measured
    if not server.capabilities.foreign_reports:
        raise ConfigurationError(f"command: {server.name} has no reports of other runs, which `report` would publish")
    if measured is None:
        raise ConfigurationError("command: report belongs into a workflow `on: workflow_run`")
    if not server.has_token:
        raise ConfigurationError("github-token: report needs one, to read the artifact of the other run")
    publisher = Publisher(server, settings, Addressee(None, measured.run, measured_elsewhere=True), os.environ)
    with publisher.or_no_verdict():
        found = server.report_of(measured, inputs.artifact)
    if isinstance(found, NotPosted):
        warn(f"nothing was posted: {found.reason}")
        return ExitCode.WITHIN_BUDGET
    write_report(found.report, path)
    addressee = Addressee(found.pull_request, measured.run, measured_elsewhere=True)
    Publisher(server, settings, addressee, os.environ).publish(found.report.judged(), path)
    keep_pushed(found.report, inputs, server)
    return ExitCode.WITHIN_BUDGET


def _run_action_check(inputs: ActionInputs, server: Server) -> JudgedReport:
    event = server.event()
    label = ApprovalLabel(server, event, inputs.approval_label, inputs.comment_settings.prefix)
    wanted = Wanted(
        Path(inputs.budgets),
        BaseRequest(revision=inputs.base or None),
        only=inputs.only,
        shard=Shard.parse(inputs.shard) if inputs.shard else None,
        label=inputs.approval_label,
        remembers=inputs.remembers,
        looks_up_bases=inputs.looks_up_bases,
        profiles=inputs.profiles,
        secrets=AllowedSecrets.of(inputs.allowed_secrets),
        history=HistorySource(inputs.history_place, inputs.github_token),
    )
    return _run_check(wanted, event, label.state(), _action_measuring(inputs), label.withdraw)


def _action_measuring(inputs: ActionInputs) -> MeasuringOptions:
    helper_image = os.environ.get("MEMBUDGET_HELPER_IMAGE")
    return MeasuringOptions(VERSION, helper_image=helper_image, jobs=inputs.most_jobs)


def _run_check(
    wanted: Wanted,
    event: Event,
    label: LabelState | None,
    options: MeasuringOptions,
    when_stale: Callable[[], None] = lambda: None,
) -> JudgedReport:
    progress = progress_display(os.environ, is_quiet=wanted.is_quiet)
    repository = GitRepository(Path.cwd())
    wanted = replace(wanted, base=base_request(wanted.base, event))
    request = check_request(repository, wanted, label)
    if request.approval is Approval.STALE:
        when_stale()  # now: during the check, somebody may set the label again for the current changes
    for note in request.notes:
        progress.note(note)
    to_build = [image for name, image in request.head_images.items() if name not in request.untouched]
    options = replace(options, cpus=tuple(image.container.cpus for image in to_build))
    run = own_run_id()
    with connected_engine() as engine:
        if (slow := slowness(engine)) is not None:
            progress.note(slow)
            request = replace(request, notes=(*request.notes, slow))
        builder = Builder(engine)
        builder.check()
        with (
            workspace(repository, run) as checkouts,
            measuring(engine, run, options, progress.note) as runner,
        ):
            # A pull request can write to its own cache, even in a merge queue. So its trials are run anew, and its
            # sizes are read from the image.
            is_trusted = not event.is_before_merge
            results = ResultCache(cache_folder(), progress.note, is_trusted=is_trusted) if wanted.remembers else None
            cache = layer_cache() if is_trusted else LayerCache(checkouts.scratch)
            bases = BaseVariants(engine, cache, progress.note, asks_registry=wanted.looks_up_bases)
            tools = CheckTools((engine, runner, cache), (checkouts, builder, run), results, bases)
            tools.memrays = MemrayFolders(cache_folder(), checkouts.scratch, os.environ)
            if wanted.remembers:
                tools.fits = FitTools(tools, FitFolder(cache_folder(), progress.note), engine, run)
            machine = machine_of(tools.environment)
            request = with_creep(request, repository, wanted.history, machine)
            request = with_recent(request, repository, wanted.history, machine)
            report = check_use_case.run(request, tools, progress, VERSION)
            if results is not None:
                results.prune()
            return report


def _finish_check(result: JudgedReport, path: Path, policy: ExitPolicy, how: Output) -> ExitCode:
    write_report(result.report, path)
    remember_durations(cache_folder(), _durations(result.report))
    show_result(result, path, how)
    return policy.exit_code(result.judgement)


def _durations(report: Report) -> dict[str, int]:
    """Return the durations, in milliseconds, of images whose trials were run."""
    return {image.name: image.duration_ms for image in report.images if image.duration_ms >= _LEAST_DURATION_MS}
