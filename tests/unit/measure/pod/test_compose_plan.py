"""What of a compose file runs in a trial, and in which order."""

from pathlib import PurePosixPath

import pytest
from pydantic import JsonValue

from membudget.budgets.container import ComposeSettings
from membudget.budgets.entries import Build
from membudget.core.errors import ConfigurationError
from membudget.engine.connection import RUN_LABEL
from membudget.engine.options import ContainerOptions
from membudget.measure.pod.compose_file import Project, project_model
from membudget.measure.pod.compose_plan import plan_pod
from membudget.measure.pod_plan import PodPlan

CHECKOUT = PurePosixPath("/checkout")
Services = dict[str, JsonValue]


def plan(services: Services, *sidecars: str, is_open: bool = False, **model: JsonValue) -> PodPlan:
    given: dict[str, JsonValue] = {"services": services, "networks": {"default": {}}, **model}
    return plan_pod(given, ComposeSettings(sidecars=sidecars), "api", CHECKOUT, is_open=is_open)


def test_only_what_is_needed_runs_each_after_what_it_depends_on() -> None:
    services: Services = {
        "api": {"depends_on": {"cache": {"condition": "service_started"}}},
        "cache": {"image": "redis", "depends_on": {"disk": {"condition": "service_healthy"}}},
        "disk": {"image": "disk"},
        "unrelated": {"image": "x"},
        "logger": {"image": "logger", "network_mode": "service:api"},
    }
    assert list(plan(services).services) == ["disk", "cache", "api"]
    assert list(plan(services, "logger").services) == ["disk", "cache", "api", "logger"]


def test_services_that_wait_for_each_other_are_refused() -> None:
    services: Services = {"api": {"depends_on": {"b": {}}}, "b": {"depends_on": {"api": {}}}}
    with pytest.raises(ConfigurationError, match="services wait for each other"):
        plan(services)


def test_networks_lead_out_only_where_the_budgets_file_says_so() -> None:
    without_gateway: JsonValue = {
        "internal": True,
        "driver_opts": {"com.docker.network.bridge.inhibit_ipv4": "true"},
    }
    assert plan({"api": {}}).networks == {"default": without_gateway}
    assert plan({"api": {}}, is_open=True).networks == {"default": {"internal": False}}
    inner: JsonValue = {"default": {}, "inner": {"internal": True}}
    assert plan({"api": {}}, is_open=True, networks=inner).networks["inner"] == without_gateway


def test_a_network_of_somebody_else_is_one_of_the_trials_own() -> None:
    own = plan({"api": {}}).networks["default"]
    assert plan({"api": {}}, networks={"proxy": {"external": True, "name": "traefik"}}).networks == {"proxy": own}


def test_no_service_of_a_closed_pod_has_raw_sockets_or_the_machines_resolver() -> None:
    services: Services = {"api": {"cap_drop": ["CHOWN"]}, "side": {"image": "x", "network_mode": "service:api"}}
    closed = plan(services, "side").services
    assert (closed["api"].definition["cap_drop"], closed["api"].definition["dns"]) == (
        ["CHOWN", "NET_RAW"],
        ["127.0.0.1"],
    )
    assert (closed["side"].definition["cap_drop"], "dns" in closed["side"].definition) == (["NET_RAW"], False)
    opened = plan(services, "side", is_open=True).services
    assert (opened["api"].definition["cap_drop"], "dns" in opened["api"].definition) == (["CHOWN"], False)


@pytest.mark.parametrize("sysctls", [{"net.ipv6.conf.all.disable_ipv6": "0"}, ["net/ipv6/conf/eth0/disable_ipv6=0"]])
def test_a_closed_pod_may_not_switch_ipv6_on(sysctls: JsonValue) -> None:
    with pytest.raises(ConfigurationError, match="IPv6 would lead to the engine's machine"):
        plan({"api": {"sysctls": sysctls}})
    assert plan({"api": {"sysctls": sysctls}}, is_open=True).services["api"].definition["sysctls"] == sysctls


def test_what_is_built_is_built_as_the_file_says() -> None:
    build: JsonValue = {"context": "/checkout/side", "dockerfile": "D", "target": "t", "args": {"PRICE": "$$5"}}
    build = {**build, "network": "none"} if isinstance(build, dict) else build
    made = plan({"api": {}, "side": {"build": build}}, "side")
    assert made.builds == {
        "side": Build(context="side", dockerfile="D", target="t", args={"PRICE": "$5"}, network="none")
    }


def test_caches_of_a_build_have_no_meaning_and_the_measured_image_is_built_by_the_budgets_file() -> None:
    build: JsonValue = {"context": "/checkout/side", "cache_from": ["x"], "x-bake": {"a": 1}}
    made = plan({"api": {"build": {"context": "/checkout", "ssh": ["default"]}}, "side": {"build": build}}, "side")
    assert made.builds == {"side": Build(context="side")}
    with pytest.raises(ConfigurationError, match=r"services\.side\.build\.ssh: is not known here"):
        plan({"api": {}, "side": {"build": {"context": "/checkout/side", "ssh": ["default"]}}}, "side")


@pytest.mark.parametrize("context", ["/elsewhere", "/checkout/../etc", "https://example.org/x.git"])
def test_what_is_built_lies_in_the_repository(context: str) -> None:
    with pytest.raises(ConfigurationError, match="is not in the repository"):
        plan({"api": {}, "side": {"build": {"context": context}}}, "side")


def test_what_is_not_committed_is_replaced_or_left_out() -> None:
    def mount(source: str, target: str) -> JsonValue:
        return {"type": "bind", "source": source, "target": target}

    mounts: list[JsonValue] = [
        mount("/checkout/app.conf", "/etc/app.conf"),
        mount("/checkout/uploads", "/app/uploads"),
        mount("/etc/localtime", "/etc/localtime"),
    ]
    stand_ins = {"app.conf": "app.example.conf", "uploads": False, "/etc/localtime": False, "password": False}
    model: dict[str, JsonValue] = {
        "services": {"api": {"volumes": mounts, "secrets": [{"source": "password"}]}},
        "secrets": {"password": {"file": "/checkout/password"}},
    }
    settings = ComposeSettings.model_validate({"stand_ins": stand_ins})
    service = plan_pod(model, settings, "api", CHECKOUT, is_open=False).services["api"]
    assert service.copies == (("app.example.conf", "/etc/app.conf"),)
    assert service.definition["volumes"] == [{"type": "volume", "target": "/app/uploads"}]


def test_a_mount_from_elsewhere_is_refused_with_a_way_out() -> None:
    mounts: list[JsonValue] = [{"type": "bind", "source": "/var/run/docker.sock", "target": "/var/run/docker.sock"}]
    with pytest.raises(ConfigurationError, match="is not in the repository") as caught:
        plan({"api": {"volumes": mounts}})
    assert 'compose.stand_ins = { "/var/run/docker.sock" = false }' in str(caught.value)


def test_capabilities_of_every_container_may_be_added_to_none() -> None:
    hardened: Services = {"api": {"cap_drop": ["ALL"], "cap_add": ["CAP_CHOWN", "net_bind_service"]}}
    definition = plan(hardened).services["api"].definition
    assert definition["cap_add"] == ["CAP_CHOWN", "net_bind_service"]
    assert definition["cap_drop"] == ["ALL", "NET_RAW"]
    for more in ("SYS_ADMIN", "NET_RAW", "ALL", "MKNOD"):
        with pytest.raises(ConfigurationError, match=r"services\.api\.cap_add"):
            plan({"api": {"cap_add": ["CHOWN", more]}})


def test_a_link_is_a_dependency() -> None:
    made = plan({"api": {"links": ["cache", "disk:disk"]}, "cache": {"image": "x"}, "disk": {"image": "x"}})
    assert list(made.services)[-1] == "api"
    assert len(made.services) == 3
    with pytest.raises(ConfigurationError, match="cache:redis gives a service another name"):
        plan({"api": {"links": ["cache:redis"]}, "cache": {"image": "x"}})


def test_the_trial_has_the_last_word_on_limits_places_and_labels() -> None:
    service: JsonValue = {
        "mem_limit": "1g",
        "environment": {"A": "file", "B": "file"},
        "labels": {RUN_LABEL: "forged"},
        "restart": "always",
        "ports": ["80:80"],
    }
    place = ContainerOptions(
        image="", name="trial1", role="trial", memory_bytes=64, cgroup_parent="/x/t1", environment={"B": "a$b"}
    )
    made = plan({"api": service})
    project = Project("membudget-run-trial1", "run", {"api": "sha256:1"}, {"api": "membudget-api"}, {"api": place})
    model = project_model(made, project)
    environment: dict[str, JsonValue] = {"A": "file", "B": "a$$b"}
    logging: dict[str, JsonValue] = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "1"}}
    assert without_proxies(model) == {
        "api": {
            "mem_limit": 64, "memswap_limit": 64, "pids_limit": 4096, "cgroup_parent": "/x/t1",
            "security_opt": ["no-new-privileges"], "cap_drop": ["NET_RAW"], "dns": ["127.0.0.1"],
            "environment": environment, "logging": logging,
            "tmpfs": [], "volumes": [],
            "image": "sha256:1", "container_name": "membudget-api",
            "labels": {RUN_LABEL: "run", f"{RUN_LABEL}.role": "trial"},
        }
    }  # fmt: skip


def without_proxies(model: dict[str, JsonValue]) -> JsonValue:
    """The services, less the variables that are kept unset."""
    services = model["services"]
    assert isinstance(services, dict)
    for service in services.values():
        assert isinstance(service, dict)
        environment = service["environment"]
        assert isinstance(environment, dict)
        unset = [name for name, value in environment.items() if value is None]
        assert {name.lower() for name in unset} <= {f"{kind}_proxy" for kind in ("http", "https", "ftp", "no", "all")}
        for name in unset:
            del environment[name]
    return services


def test_no_service_gets_a_variable_of_the_runner_or_a_proxy_of_the_docker_client() -> None:
    made = plan({"api": {"environment": {"AWS_SECRET": None, "HTTPS_PROXY": None, "no_proxy": "db"}}})
    model = project_model(made, Project("p", "run", {"api": "i"}, {"api": "c"}, {}))
    services = model["services"]
    assert isinstance(services, dict)
    api = services["api"]
    assert isinstance(api, dict)
    environment = api["environment"]
    assert isinstance(environment, dict)
    assert "AWS_SECRET" not in environment, "compose would take it from its own environment"
    assert environment["no_proxy"] == "db"
    assert environment["HTTPS_PROXY"] is None
    assert environment["http_proxy"] is None


def test_secrets_and_volumes_that_no_started_service_uses_have_no_meaning() -> None:
    secrets: JsonValue = {"npm": {"environment": "NPM_TOKEN"}, "key": {"environment": "KEY"}}
    volumes: JsonValue = {"others": {"external": True}, "data": {}}
    mount: JsonValue = [{"type": "volume", "source": "data", "target": "/data"}]
    assert plan({"api": {"volumes": mount}}, secrets=secrets, volumes=volumes).volumes == {"data": {}}
    with pytest.raises(ConfigurationError, match=r"secrets\.key"):
        plan({"api": {"secrets": [{"source": "key"}]}}, secrets=secrets)
