"""The compose file decides what is measured as well: it is the base's that counts."""

import pytest

from tests.attacks.case import Case, Checked, attack
from tests.attacks.changes import edit, holding, link, more, move, obeying, write
from tests.attacks.expected import Loosened, OverBudget

FILE = "services:\n  api:\n    image: is-built\n"
ALONE = (more("compose = {}"), write({"compose.yaml": FILE}))
STANDING_IN = (
    more('compose = { stand_ins = { ".env" = "example.env" } }'),
    write({"compose.yaml": FILE + "    env_file: .env\n", "example.env": "OTHER=1\n"}),
)
LIGHT = FILE + '    command: ["1", "0", "100", "1", "0"]\n'
SIDECAR = """\
  shipper:
    build: shipper
    depends_on: [api]
"""
POD = (
    edit('peak_rss = { max = "40MiB" }', ""),
    write({"compose.yaml": FILE + SIDECAR, "shipper/Dockerfile": holding(20)}),
    more('compose = { sidecars = ["shipper"] }\nbudgets.pod_peak_rss = { max = "60MiB" }'),
    write(
        {
            "api/Dockerfile": 'FROM membudget-test/truth\nCMD ["20", "0", "1500", "1", "0"]\n',
            "shipper/Dockerfile": 'FROM membudget-test/truth\nCMD ["20", "0", "60000", "1", "0"]\n',
        }
    ),
)
LARGER_SIDECAR = (write({"shipper/Dockerfile": 'FROM membudget-test/truth\nCMD ["90", "0", "60000", "1", "0"]\n'}),)

CASES = [
    attack("nothing is hidden", OverBudget("api"), base=ALONE),
    attack("a lighter command", OverBudget("api", "compose.yaml"), write({"compose.yaml": LIGHT}), base=ALONE),
    attack(
        "a variable",
        OverBudget("api", "compose.yaml"),
        write({"compose.yaml": FILE + '    environment: {SMALL: "1"}\n'}),
        base=ALONE,
        breaking=(write({"api/Dockerfile": obeying("env", "SMALL")}),),
    ),
    attack(
        "a variable of the file beside it",
        OverBudget("api", ".env"),
        write({".env": "NAME=SMALL\n"}),
        base=(*ALONE, write({".env": "NAME=OTHER\n", "compose.yaml": FILE + '    environment: ["${NAME}=1"]\n'})),
        breaking=(write({"api/Dockerfile": obeying("env", "SMALL")}),),
    ),
    attack(
        "other variables in a stand-in",
        OverBudget("api", "example.env"),
        write({"example.env": "SMALL=1\n"}),
        base=STANDING_IN,
        breaking=(write({"api/Dockerfile": obeying("env", "SMALL")}),),
    ),
    attack(
        "another stand-in",
        OverBudget("api", "compose"),
        edit('".env" = "example.env"', '".env" = "light.env"'),
        write({"light.env": "SMALL=1\n"}),
        base=STANDING_IN,
        breaking=(write({"api/Dockerfile": obeying("env", "SMALL")}),),
    ),
    attack(
        "a stand-in that is left out",
        OverBudget("api", "compose"),
        edit('".env" = "example.env"', '".env" = false'),
        base=(*STANDING_IN, write({"example.env": "BIG=1\n"})),
        breaking=(write({"api/Dockerfile": obeying("env", "BIG").replace('"90", "20"', '"20", "90"')}),),
    ),
    attack(
        "another file",
        OverBudget("api", "compose"),
        edit("compose = {}", 'compose = { file = "light.yaml" }'),
        write({"light.yaml": LIGHT}),
        base=ALONE,
    ),
    attack(
        "a link to another file",
        OverBudget("api", "compose.yaml"),
        write({"light.yaml": LIGHT}),
        link("compose.yaml", "light.yaml"),
        base=ALONE,
    ),
    attack(
        "another service",
        OverBudget("api", "compose"),
        edit("compose = {}", 'compose = { service = "light" }'),
        write({"compose.yaml": FILE + LIGHT.partition("\n")[2].replace("api", "light")}),
        base=ALONE,
    ),
    attack(
        "no compose file any more",
        OverBudget("api", "compose"),
        edit("compose = {}", ""),
        base=(more("compose = {}"), write({"compose.yaml": FILE + '    environment: {BIG: "1"}\n'})),
        breaking=(write({"api/Dockerfile": obeying("env", "BIG").replace('"90", "20"', '"20", "90"')}),),
    ),
    attack(
        "a compose file that moved",
        OverBudget("api", "compose"),
        move("compose.yaml", "light.yaml"),
        write({"light.yaml": LIGHT}),
        edit("compose = {}", 'compose = { file = "light.yaml" }'),
        base=ALONE,
    ),
    attack("a sidecar that grew", OverBudget("api"), base=POD, breaking=LARGER_SIDECAR),
    attack(
        "a sidecar that does not count",
        Loosened("api", "pod_peak_rss.max"),
        edit('sidecars = ["shipper"]', ""),
        edit('budgets.pod_peak_rss = { max = "60MiB" }', ""),
        base=POD,
        breaking=LARGER_SIDECAR,
    ),
    attack(
        "another sidecar",
        OverBudget("api", "compose"),
        edit('["shipper"]', '["tiny"]'),
        write(
            {
                "compose.yaml": FILE + SIDECAR + SIDECAR.replace("shipper", "tiny"),
                "tiny/Dockerfile": 'FROM membudget-test/truth\nCMD ["1", "0", "60000", "1", "0"]\n',
            }
        ),
        base=POD,
        breaking=LARGER_SIDECAR,
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_head_is_judged_by_the_base_compose_file(case: Case, checked: Checked) -> None:
    case.expected.verify(checked)
