"""Permissions that the head asks for: the way out of its network, and what membudget's own environment holds."""

import pytest

from tests.attacks.case import Case, Checked, attack
from tests.attacks.changes import Change, edit, holding, image, more, write
from tests.attacks.expected import Loosened, Refused

GIVEN = {"API_TOKEN": "one", "OTHER_TOKEN": "two"}


def container(text: str) -> Change:
    """For all images."""
    return edit("[defaults.budgets]", f"[defaults.container]\n{text}\n[defaults.budgets]")


def new(text: str) -> tuple[Change, ...]:
    return (more(image("jobs", more=text)), write({"jobs/Dockerfile": holding(20)}))


CASES = [
    attack("network opened", Loosened("api", "container.network"), more('container.network = "open"')),
    attack("network opened for all", Loosened("api", "container.network"), container('network = "open"')),
    attack("network opened of a new image", Loosened("jobs", "container.network"), *new('container.network = "open"')),
    attack(
        "network opened of an image under another name",
        Loosened("web", "container.network"),
        edit("images.api", "images.web"),
        more('container.network = "open"'),
    ),
    attack("a secret", Loosened("api", "container.secrets", ("API_TOKEN",)), more('container.secrets = ["API_TOKEN"]')),
    attack("a secret for all", Loosened("api", "container.secrets"), container('secrets = ["API_TOKEN"]')),
    attack("a secret of a new image", Loosened("jobs", "container.secrets"), *new('container.secrets = ["API_TOKEN"]')),
    attack(
        "a secret more",
        Loosened("api", "container.secrets", ("OTHER_TOKEN",)),
        edit('["API_TOKEN"]', '["API_TOKEN", "OTHER_TOKEN"]'),
        base=(more('container.secrets = ["API_TOKEN"]'),),
    ),
    attack(
        "a secret instead of another",
        Loosened("api", "container.secrets", ("OTHER_TOKEN",)),
        edit("API_TOKEN", "OTHER_TOKEN"),
        base=(more('container.secrets = ["API_TOKEN"]'),),
    ),
]
FOR_NOBODY = (
    "GH_TOKEN",
    "CI_JOB_TOKEN",
    "SSH_AUTH_SOCK",
    "AWS_SECRET_ACCESS_KEY",
    "AZURE_CLIENT_SECRET",
    "GOOGLE_CREDENTIALS",
    "NPM_TOKEN",
    "PYPI_TOKEN",
    "gh_token",
    "ACTIONS_RUNTIME_TOKEN",
)


@pytest.mark.parametrize(
    "case",
    [attack(case.name, case.expected, *case.cover, base=case.base, breaking=(), environ=GIVEN) for case in CASES],
    ids=lambda case: case.name,
)
def test_a_permission_needs_the_label(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)
    assert "one" not in checked.report_path.read_text().split('"')


@pytest.mark.parametrize(
    "case",
    [
        attack(
            name,
            Refused(("container.secrets",)),
            more(f'container.secrets = ["{name}"]'),
            breaking=(),
            environ={name: "one"},
        )
        for name in FOR_NOBODY
    ],
    ids=lambda case: case.name,
)
def test_secrets_of_services_are_for_nobody(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)
