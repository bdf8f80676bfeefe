"""OOM kills: each is counted and named, and nothing else is taken for one."""

import pytest

from membudget.core.metrics import Metric
from membudget.core.quantities import MIB
from membudget.measure.trial import Outcome, Trial
from membudget.report.findings import limit_words
from tests.support.prepared_images import PreparedImages
from tests.support.trials import Trials, command, http


def assert_named(trial: Trial, name: str, limit_mib: int) -> None:
    """The report names the killed process, its RSS and the limit."""
    assert trial.metrics[Metric.OOM_KILLS].value == 1
    assert trial.outcome is Outcome.OOM_KILLED
    assert trial.reason == f"the kernel killed 1 process for memory at its limit of {limit_mib}.0 MiB"
    assert trial.oom is not None
    assert trial.oom.reason is None
    (killed,) = trial.oom.killed
    assert killed.name == name
    assert killed.rss_bytes == pytest.approx(limit_mib * MIB, rel=0.1)


def test_a_killed_child_is_named_though_pid_1_lives_on(from_host: Trials, images: PreparedImages) -> None:
    for _ in range(3):  # on a busy machine its parent may be killed, too, before its memory is free
        trial = from_host.run(images.truth, command(20, 100, 20, 1, 50, "child"), limit_mib=64)
        if trial.metrics[Metric.OOM_KILLS].value == 1:
            break

    assert_named(trial, "truth", 64)
    assert trial.exit_code == 0
    assert trial.workload_passed


def test_every_kill_is_counted_when_the_kernel_names_the_cgroup_of_the_first_ones_only(
    from_host: Trials, images: PreparedImages
) -> None:
    """The kernel leaves the name out after ten kills in five seconds: the last one is told by its PID."""
    many = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do tail /dev/zero; done"
    last = "python3 -c 'import time; time.sleep(0.4); b\"x\" * (200 << 20)'"
    trial = from_host.run(images.service, command("sh", "-c", f"{many}; {last}; sleep 0.3; exit 0"), limit_mib=32)

    kills = trial.metrics[Metric.OOM_KILLS]
    assert (kills.value, kills.is_lower_bound, kills.precision) == (13, False, "exact")
    assert (trial.outcome, trial.exit_code, trial.oom_doubt) == (Outcome.OOM_KILLED, 0, None)
    assert trial.oom is not None
    assert "python3" in {process.name for process in trial.oom.killed}


def test_a_kill_within_milliseconds_of_the_start_is_counted(from_host: Trials, images: PreparedImages) -> None:
    trial = from_host.run(images.truth, command(64, 0, 0, 1, 0), limit_mib=8)

    assert_named(trial, "truth", 8)
    assert trial.exit_code == 137


def test_a_service_killed_during_its_start_up_was_never_ready(from_host: Trials, images: PreparedImages) -> None:
    trial = from_host.run(images.greedy, http(), limit_mib=64)

    assert_named(trial, "python3", 64)
    assert not trial.workload_passed
    assert trial.metrics[Metric.STARTUP_TIME].reason == "it was never ready"


def test_exit_137_by_another_signal_is_no_oom_kill_and_says_so(from_host: Trials, images: PreparedImages) -> None:
    trial = from_host.run(images.service, command("sh", "-c", "sh -c 'kill -9 $$'; exit $?"))

    assert trial.exit_code == 137
    assert trial.metrics[Metric.OOM_KILLS].value == 0
    assert trial.oom is None
    assert trial.outcome is Outcome.WORKLOAD_FAILED
    assert trial.reason == "the container exited with code 137: ended by SIGKILL, but not by the OOM killer"


def test_a_container_that_lives_at_its_limit_by_reclaim_is_thrashing(from_host: Trials, images: PreparedImages) -> None:
    trial = from_host.run(images.trouble, command("reread", 96, 1000), limit_mib=32)

    assert trial.outcome is Outcome.COMPLETED
    assert trial.metrics[Metric.OOM_KILLS].value == 0
    assert trial.at_limit is not None, "it was at its limit all the time"
    assert trial.at_limit.is_thrashing
    assert (trial.at_limit.refaulted_bytes or 0) >= 4 * MIB
    assert limit_words(trial.at_limit).startswith("thrashing at the limit")


def test_a_container_below_its_limit_has_not_reached_it(from_host: Trials, images: PreparedImages) -> None:
    trial = from_host.run(images.trouble, command("reread", 16, 300), limit_mib=64)

    assert trial.outcome is Outcome.COMPLETED
    assert trial.at_limit is None
