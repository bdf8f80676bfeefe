"""What the checks of `membudget doctor` look at, wired to the engine, git, the workflow files and the server."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Self

from pydantic import SecretStr

from membudget.budgets import file as budgets_file
from membudget.budgets.entries import ImageSpec
from membudget.build.docker_buildx import Buildx
from membudget.build.git import GitRepository
from membudget.build.revision import BaseRequest
from membudget.cli.request import base_request
from membudget.core.errors import DoctorCheck, EnvironmentFault, MembudgetError
from membudget.core.work import shielded
from membudget.engine.compose import Compose
from membudget.engine.connection import Engine, answer_ms, clock_skew_s, connect, engine_address, engine_folder
from membudget.engine.run_id import own_run_id
from membudget.engine.vantage import vantage_on
from membudget.measure.equipment import MeasuringOptions, TrialPool, measuring
from membudget.measure.probe.client import MachineState
from membudget.measure.probe.machine import available_bytes, free_bytes, has_pressure, host_settings
from membudget.publish.servers import registry
from membudget.setup import doctor_engine as of_engine
from membudget.setup import doctor_machine as of_machine
from membudget.setup import doctor_repository as of_repository
from membudget.setup.doctor import CannotLook, CheckFinding, CheckLook
from membudget.setup.doctor_repository import look_at_token
from membudget.setup.doctor_self_test import self_test
from membudget.setup.workflow_files import Workflows, read_workflows


class DoctorTools:
    """What the checks look at. Each part is made when the first check needs it, and all are gone in the end."""

    def __init__(
        self,
        options: MeasuringOptions,
        budgets: Path,
        base: str | None,
        token: SecretStr,
        warn: Callable[[str], None],
    ) -> None:
        self._options = options
        self._budgets = budgets
        self._base = base
        self._token = token
        self._warn = warn
        self._run = own_run_id()
        self._opened = ExitStack()
        self._heard: list[str] = []
        self._is_opening = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with shielded():
            self._opened.close()

    def looks(self) -> dict[DoctorCheck, CheckLook]:
        """Return what makes each check."""
        return {
            DoctorCheck.ENGINE: self._look_at_engine,
            DoctorCheck.BUILDX: self._look_at_buildx,
            DoctorCheck.COMPOSE: self._look_at_compose,
            DoctorCheck.CLOCK: lambda: of_engine.clock_finding(clock_skew_s(self._engine)),
            DoctorCheck.DISK: self._look_at_disks,
            DoctorCheck.CGROUPS: lambda: of_machine.cgroups_finding(self._found),
            DoctorCheck.HELPER_IMAGE: self._look_for_helper_image,
            DoctorCheck.PROBE: self._look_at_probe,
            DoctorCheck.MEMORY: lambda: of_machine.memory_finding(self._found, self._machine, self._largest_limit),
            DoctorCheck.SWAP: lambda: of_machine.swap_finding(self._engine.info, self._machine),
            DoctorCheck.PRESSURE: lambda: of_machine.pressure_finding(self._engine.info, self._machine),
            DoctorCheck.SELF_TEST: lambda: self_test(self._engine, self._run, self._pool),
            DoctorCheck.GIT: lambda: of_repository.look_at_git(self._repository),
            DoctorCheck.BASE: self._look_for_base,
            DoctorCheck.SUBMODULES: lambda: of_repository.look_at_submodules(self._known_repository),
            DoctorCheck.LFS: lambda: of_repository.look_for_lfs(self._known_repository),
            DoctorCheck.WORKFLOWS: lambda: of_repository.workflows_finding(self._workflows),
            DoctorCheck.TRIGGERS: lambda: of_repository.triggers_finding(self._workflows),
            DoctorCheck.FETCH_DEPTH: lambda: of_repository.fetch_depth_finding(self._workflows),
            DoctorCheck.PERMISSIONS: lambda: of_repository.permissions_finding(self._workflows),
            DoctorCheck.PINS: lambda: of_repository.pins_finding(self._workflows, self._options.version),
            DoctorCheck.FORKS: lambda: of_repository.forks_finding(self._workflows),
            DoctorCheck.TOKEN: lambda: look_at_token(registry.server(os.environ, self._token)),
        }

    @cached_property
    def _connected(self) -> Engine | EnvironmentFault:
        try:
            engine = connect()
        except EnvironmentFault as fault:
            return fault
        self._opened.callback(engine.close)
        return engine

    @property
    def _found(self) -> of_engine.EngineFound:
        found = self._connected
        return found.info if isinstance(found, Engine) else found

    @property
    def _engine(self) -> Engine:
        """Return the engine. Raises CannotLook if there is none."""
        of_engine.usable(self._found)
        assert isinstance(self._connected, Engine)  # noqa: S101 - it is usable
        return self._connected

    def _look_at_engine(self) -> CheckFinding:
        found = self._connected
        taken_ms = answer_ms(found) if isinstance(found, Engine) else 0.0
        return of_engine.engine_finding(self._found, engine_address(), taken_ms)

    def _look_at_buildx(self) -> CheckFinding:
        return of_engine.buildx_finding(Buildx(engine_address(), os.environ).check(), self._found)

    def _look_at_compose(self) -> CheckFinding:
        is_needed = any(one.compose is not None or one.kubernetes is not None for one in self._images.values())
        said: str | EnvironmentFault
        try:
            said = Compose(engine_address()).check()
        except EnvironmentFault as fault:
            said = fault
        return of_engine.compose_finding(said, self._found, is_needed=is_needed)

    def _look_at_disks(self) -> CheckFinding:
        temporary = of_engine.temporary_folder()
        spaces = [of_engine.Space(of_engine.SpacePurpose.TEMPORARY, str(temporary), free_bytes(temporary))]
        if isinstance(self._connected, Engine):
            spaces.insert(0, self._space_of(self._connected))
        return of_engine.disk_finding(tuple(spaces))

    def _space_of(self, engine: Engine) -> of_engine.Space:
        folder = engine_folder(engine)
        if self._is_on_host and folder is not None:
            return of_engine.Space(of_engine.SpacePurpose.ENGINE, folder, free_bytes(Path(folder)))
        return of_engine.Space(of_engine.SpacePurpose.ENGINE, folder, self._machine.engine_free_bytes)

    @cached_property
    def _is_on_host(self) -> bool:
        """Whether the engine's machine is this one."""
        try:
            return vantage_on(self._engine).reads_cgroups
        except EnvironmentFault:
            return False

    def _look_for_helper_image(self) -> CheckFinding:
        return of_machine.look_for_helper_image(self._engine, self._options.version, self._options.helper_image)

    @cached_property
    def _pool_or_error(self) -> TrialPool | MembudgetError:
        """Where trials run, or why none can run."""
        engine = self._engine
        self._is_opening = True
        try:
            return self._opened.enter_context(measuring(engine, self._run, self._options, self._hear))
        except MembudgetError as error:
            return error
        finally:
            self._is_opening = False

    def _hear(self, text: str) -> None:
        """Keep what is said when the pool is opened, which the check of the probe tells. Warn of what comes later."""
        if self._is_opening:
            self._heard.append(text)
        else:
            self._warn(text)

    @property
    def _pool(self) -> TrialPool:
        """Where trials run. Raises CannotLook if none can run."""
        found = self._pool_or_error
        if isinstance(found, MembudgetError):
            raise CannotLook("nothing can be measured", blocked_by=DoctorCheck.PROBE)
        return found

    def _look_at_probe(self) -> CheckFinding:
        found = self._pool_or_error
        if isinstance(found, MembudgetError):
            return of_machine.no_probe(found)
        seen = of_machine.ProbeFound(
            found.place,
            found.sees_cgroups,
            found.rate_hz,
            is_asked=self._options.probe == "engine",
            reasons=tuple(self._heard),
        )
        return of_machine.probe_finding(seen, self._engine.info)

    @cached_property
    def _machine(self) -> MachineState:
        """The engine's machine, as far as it can be seen."""
        if isinstance(self._connected, EnvironmentFault):
            return MachineState()
        found = self._pool_or_error
        state = found.machine() if isinstance(found, TrialPool) else MachineState()
        if state.swap_bytes is None and self._is_on_host:
            state = MachineState(available_bytes(), host_settings().swap_bytes, has_pressure(), state.engine_free_bytes)
        return state

    @cached_property
    def _repository(self) -> GitRepository:
        """The repository of the working folder. Raises ConfigurationError if there is none."""
        return GitRepository(Path.cwd())

    @property
    def _known_repository(self) -> GitRepository:
        """The repository. Raises CannotLook if there is none."""
        try:
            return self._repository
        except MembudgetError:
            raise CannotLook("there is no repository", blocked_by=DoctorCheck.GIT) from None

    def _look_for_base(self) -> CheckFinding:
        repository = self._known_repository
        event = registry.server(os.environ, SecretStr("")).event()
        return of_repository.look_for_base(repository, base_request(BaseRequest(revision=self._base), event))

    @cached_property
    def _workflows(self) -> Workflows:
        return read_workflows(self._known_repository.top)

    @cached_property
    def _images(self) -> Mapping[str, ImageSpec]:
        """The images of the budgets file. None if it is missing or wrong: validate says what is wrong with it."""
        try:
            return budgets_file.parse(budgets_file.read(self._budgets), str(self._budgets))
        except (MembudgetError, OSError):
            return {}

    @property
    def _largest_limit(self) -> of_machine.LargestLimit | None:
        limits = [
            of_machine.LargestLimit(name, image.limit)
            for name, image in self._images.items()
            if image.limit is not None  # otherwise, a manifest has it
        ]
        return max(limits, key=lambda one: one.limit_bytes, default=None)
