"""Which part of a compose file a trial needs, and which files of it may be read."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import JsonValue

from membudget.budgets.container import ComposeSettings
from membudget.core.errors import ConfigurationError
from membudget.measure.pod.compose_references import fix_for, needed_part, variables_file, with_readable_files

Services = dict[str, JsonValue]


def test_services_that_nobody_needs_are_left_out() -> None:
    services: Services = {
        "web": {"depends_on": ["db"], "extends": "common", "links": ["cache:c"]},
        "db": {"depends_on": {"init": {"condition": "service_completed_successfully"}}},
        "init": {"network_mode": "service:net"},
        "net": {}, "cache": {"volumes_from": ["data:ro"]}, "data": {}, "common": {"extends": {"service": "base"}},
        "base": {}, "adminer": {"env_file": "missing.env"},
    }  # fmt: skip
    part = needed_part({"services": services, "volumes": {"v": None}}, ("web",))
    assert part == {"services": {k: v for k, v in services.items() if k != "adminer"}, "volumes": {"v": None}}


def test_a_service_that_is_missing_leaves_the_file_as_it_is() -> None:
    model: Services = {"services": {"a": {}, "b": {}}}
    assert needed_part(model, ("c",)) == model


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy/web.env.example").write_text("A=1\n")
    return tmp_path


def env_files(checkout: Path, given: object, stand_ins: Mapping[str, object]) -> object:
    settings = ComposeSettings.model_validate({"file": "deploy/compose.yaml", "stand_ins": stand_ins})
    model: Mapping[str, JsonValue] = {"services": {"web": {"env_file": given}}}  # type: ignore[dict-item]
    read = with_readable_files(model, settings, checkout)
    return read["services"]["web"]["env_file"]  # type: ignore[index, call-overload]


def test_a_stand_in_is_read_instead_of_an_env_file(checkout: Path) -> None:
    instead = str(checkout / "deploy/web.env.example")
    stand_ins = {"deploy/web.env": "deploy/web.env.example"}
    assert env_files(checkout, "web.env", stand_ins) == [instead]
    entry = {"path": "./web.env", "format": "raw"}
    assert env_files(checkout, [entry], stand_ins) == [{**entry, "path": instead}]


def test_an_env_file_may_be_left_out(checkout: Path) -> None:
    assert env_files(checkout, ["web.env", "web.env.example"], {"deploy/web.env": False}) == [
        str(checkout / "deploy/web.env.example")
    ]


def test_an_env_file_that_is_not_required_may_be_missing(checkout: Path) -> None:
    assert env_files(checkout, [{"path": "web.env", "required": False}], {}) == []


def test_a_missing_env_file_is_refused_with_both_ways_out(checkout: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"services\.web\.env_file: deploy/web\.env is not in the") as caught:
        env_files(checkout, "web.env", {})
    assert 'compose.stand_ins = { "deploy/web.env" = "deploy/web.env.example" }' in str(caught.value)
    assert 'compose.stand_ins = { "deploy/web.env" = false }' in str(caught.value)


def test_a_stand_in_may_not_lead_out_of_the_repository(checkout: Path) -> None:
    (checkout / "leads-out").symlink_to("/etc/passwd")
    for outside in ("/etc/passwd", "leads-out", "deploy/../../x"):
        with pytest.raises(ConfigurationError, match="is not in the repository"):
            env_files(checkout, "web.env", {"deploy/web.env": outside})


def test_the_variables_to_fill_in_come_from_the_stand_in(checkout: Path) -> None:
    def found(stand_ins: dict[str, object]) -> Path | None:
        settings = ComposeSettings.model_validate({"file": "deploy/compose.yaml", "stand_ins": stand_ins})
        return variables_file(settings, checkout)

    assert found({}) is None
    (checkout / "deploy/.env").write_text("A=2\n")
    assert found({}) == checkout / "deploy/.env"
    assert found({"deploy/.env": False}) is None
    assert found({"deploy/.env": "deploy/web.env.example"}) == checkout / "deploy/web.env.example"


def test_a_required_variable_has_a_way_out() -> None:
    assert "stand_ins" in (fix_for("required variable PASSWORD is missing a value: set it") or "")
    assert fix_for("services.a.image must be a string") is None
