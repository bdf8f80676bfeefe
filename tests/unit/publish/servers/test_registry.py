"""Which server runs the job, and which token is its own."""

import subprocess
import sys

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from membudget.budgets.fields import SecretName
from membudget.core.errors import ConfigurationError
from membudget.publish.server import Server
from membudget.publish.servers import registry
from membudget.publish.servers.forgejo import ForgejoServer, GiteaServer
from membudget.publish.servers.github_server import GithubServer

ON_GITHUB = {"GITHUB_ACTIONS": "true"}
ADDRESSES = dict.fromkeys(("GITHUB_SERVER_URL", "GITHUB_API_URL"), "https://git.example")
TOKEN = SecretStr("token")


@pytest.mark.parametrize(
    ("environ", "kind"),
    [
        ({}, GithubServer),
        (ON_GITHUB, GithubServer),
        (ON_GITHUB | {"GITEA_ACTIONS": "true"}, GiteaServer),
        (ON_GITHUB | {"FORGEJO_ACTIONS": "true"}, ForgejoServer),
        (ON_GITHUB | {"FORGEJO_ACTIONS": "true", "GITEA_ACTIONS": "true"}, ForgejoServer),
        (ON_GITHUB | {"GITEA_ACTIONS": ""}, GithubServer),
    ],
)
def test_the_runner_tells_the_server(environ: dict[str, str], kind: type[Server]) -> None:
    found = registry.server(environ | ADDRESSES, TOKEN)
    assert type(found) is kind
    assert found.has_token


@pytest.mark.parametrize("variable", ["GITHUB_SERVER_URL", "GITHUB_API_URL"])
def test_an_address_is_checked_before_it_gets_the_token(variable: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable}: is no address") as refused:
        registry.server({variable: "https://bot:secret@git.example"}, TOKEN)
    assert "secret" not in str(refused.value)
    assert not registry.server({variable: "https://bot:secret@git.example"}, SecretStr("")).has_token


@pytest.mark.parametrize(
    ("environ", "variable"),
    [
        ({"GITHUB_SERVER_URL": "https://ghes.example"}, "GITHUB_API_URL"),
        ({"GITHUB_SERVER_URL": "http://github.com"}, "GITHUB_API_URL"),
        ({"FORGEJO_ACTIONS": "true"}, "GITHUB_SERVER_URL"),
        ({"GITEA_ACTIONS": "true", "GITHUB_API_URL": "https://git.example/api/v1"}, "GITHUB_SERVER_URL"),
    ],
)
def test_no_token_is_sent_to_github_from_another_server(environ: dict[str, str], variable: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^{variable}: is not set"):
        registry.server(environ, TOKEN)
    assert not registry.server(environ, SecretStr("")).has_token


@pytest.mark.parametrize("name", sorted({name for entry in registry.SERVERS for name in entry.tokens}))
def test_no_workload_may_ask_for_a_servers_token(name: str) -> None:
    with pytest.raises(ValidationError, match="a name of the workload's own"):
        TypeAdapter(SecretName).validate_python(name)


@pytest.mark.thorough
def test_no_http_library_is_imported_before_the_tokens_are_taken() -> None:
    code = (
        "import sys\n"
        "from membudget.publish.servers import registry\n"
        "registry.take_token({})\n"
        "print({'github', 'requests', 'urllib3'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
