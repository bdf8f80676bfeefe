"""Runs `membudget fidelity scaling`: gives the use case the images, the engine and the numbers to measure with."""

import argparse
import os
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from membudget.advise import scaling as scaling_use_case
from membudget.advise.scaling import ScalingWanted, cpu_limits
from membudget.advise.subjects import ChosenImages
from membudget.budgets.entries import Budgets
from membudget.build.docker_build import Builder
from membudget.check.manifest_texts import ManifestTexts
from membudget.check.manifests import checked_manifests
from membudget.cli.measure import measuring_options
from membudget.cli.subjects import Unnamed, Workshop, budgets_of_head, chosen_here, ready
from membudget.cli.wiring import connected_engine, progress_display
from membudget.core.errors import ConfigurationError, EngineLost, ExitCode, Interrupted
from membudget.engine.rendering import Renderers
from membudget.engine.run_id import own_run_id
from membudget.judge.scaled import Halt, Halted, ScaledImage
from membudget.manifests.deployed import CpuLimit
from membudget.measure.equipment import measuring
from membudget.publish.servers import registry
from membudget.publish.workflow import show, show_json
from membudget.report.formats.scaling_report import render
from membudget.report.scaling_report import ScalingReport
from membudget.version import VERSION

_USUAL_CPUS = (1, 2, 4)
_FEWEST_TRIALS = 2


def scaling(options: argparse.Namespace) -> ExitCode:
    """Run `membudget fidelity scaling`."""
    registry.take_token(os.environ)  # unused: nothing that runs may get it
    progress = progress_display(os.environ, is_quiet=options.quiet)
    if options.trials < _FEWEST_TRIALS:
        raise ConfigurationError(
            "one trial does not show how much trials differ", where="--trials", fix="use 2 or more"
        )
    budgets = _budgets(options)
    with connected_engine() as engine:
        images = chosen_here(options.images, budgets, options.budgets, engine)
        if images.of_file:
            Builder(engine).check()
        run = own_run_id()
        with measuring(engine, run, measuring_options(options), progress.note) as pool:
            there = min(engine.info.cpus, pool.machine().granted_cpus or engine.info.cpus)
            wanted = ScalingWanted(
                _measurable(options.at_cpus, there), options.loads, options.trials, options.cpus, options.connections
            )
            report = _measured(images, wanted, options, Workshop(engine, pool, progress, run), (budgets, there))
    _show(report, options)
    return report.exit_code


def _show(report: ScalingReport, options: argparse.Namespace) -> None:
    if options.format == "json":
        show_json(report.model_dump_json(indent=1))
    else:
        show(render(report))


def _budgets(options: argparse.Namespace) -> Budgets | None:
    """Return the budgets file. None if there is none, and images were named. Raises ConfigurationError."""
    path = Path(options.budgets)
    if options.container_command:
        if len(options.images) != 1:
            raise ConfigurationError(
                "a command after -- is for one image that the engine has",
                where="membudget fidelity scaling",
                fix="name one IMAGE",
            )
        return None
    if options.images and not path.exists():
        return None
    return budgets_of_head(path)


def _measurable(asked: tuple[int, ...] | None, there: int) -> tuple[int, ...]:
    """Return the numbers of CPUs to measure with. Raises ConfigurationError if the machine lacks one that was named."""
    if asked is None:
        return tuple(number for number in _USUAL_CPUS if number <= there)
    too_many = [number for number in asked if number > there]
    if too_many:
        has = "1 CPU" if there == 1 else f"{there} CPUs"
        raise ConfigurationError(
            f"{too_many[0]} CPUs cannot be measured: this machine has {has}",
            where="--at-cpus",
            fix=f"use {there} or fewer, or a larger machine; for production's number use --cpus",
        )
    return asked


def _measured(
    images: ChosenImages,
    wanted: ScalingWanted,
    options: argparse.Namespace,
    shop: Workshop,
    known: tuple[Budgets | None, int],
) -> ScalingReport:
    """Measure the images. If a signal or a lost engine ends that, show those that were done.

    `known` are the budgets file, and how many CPUs the machine has.
    """
    budgets, there = known
    unnamed = Unnamed(tuple(options.container_command), options.timeout)
    with ready(images, unnamed, shop, needs_head=bool(images.of_file)) as found:
        if budgets is not None and found.checkout is not None:
            wanted = replace(wanted, cpu_limits=_cpu_limits(budgets, found.checkout))
        report = ScalingReport(
            membudget_version=VERSION,
            started_at=datetime.now(UTC),
            environment=found.tools.environment,
            trials=wanted.trials,
            cpus_left_out=tuple(n for n in _USUAL_CPUS if n > there) if options.at_cpus is None else (),
            cpus=wanted.cpus,
            connections=wanted.connections,
            commit=found.head.sha if found.head is not None else None,
            images=(),
        )
        try:
            for image in scaling_use_case.run(found.subjects, wanted, found.tools, shop.progress):
                report = report.model_copy(update={"images": (*report.images, image)})
        except (Interrupted, EngineLost):
            if report.images:
                _show(report, options)
            raise
        unbuilt = (
            ScaledImage(name=one.name, limit_bytes=one.today_bytes, halted=Halted(Halt.FAULT, one.fault))
            for one in found.failed
        )
        return report.model_copy(update={"images": (*report.images, *unbuilt)})


def _cpu_limits(budgets: Budgets, checkout: Path) -> Mapping[str, CpuLimit]:
    """Return the limits of CPU time in the manifests. What cannot be read has none: `check` tells about it."""
    manifests = checked_manifests(
        budgets.manifests, budgets.manifest_rules, tuple(budgets.images), (ManifestTexts(checkout, Renderers()), None)
    )
    return cpu_limits(manifests.head) if manifests is not None else {}
