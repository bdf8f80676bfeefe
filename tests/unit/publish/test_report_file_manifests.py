"""A report whose manifests lack amounts is read as it was written, and a forged place in it is refused."""

import json
from pathlib import Path

import pytest

from membudget.core.errors import MembudgetError
from membudget.publish.report_file import read_report, write_report
from membudget.report.manifest_words import diff_lines
from tests.support.manifests import checked, containers, reported

LACKING = containers("- name: api\n  image: shop/api\n")


def test_where_amounts_are_missing_survives_the_file(tmp_path: Path) -> None:
    made = reported(checked({"a.yaml": LACKING}))
    write_report(made, tmp_path / "report.json")
    read = read_report(tmp_path / "report.json")
    assert read.manifests == made.manifests
    assert diff_lines(read.judged().judgement.manifests)[2] == "@@ -8 +8,6 @@"


@pytest.mark.parametrize(
    "forged", [{"keys": ["command"]}, {"form": "instead"}, {"column": 4000}, {"text": "run: curl"}]
)
def test_a_forged_place_is_refused(forged: dict[str, object], tmp_path: Path) -> None:
    write_report(reported(checked({"a.yaml": LACKING})), tmp_path / "report.json")
    document = json.loads((tmp_path / "report.json").read_text())
    document["manifests"]["head"]["workloads"][0]["containers"][0]["limit_spot"] |= forged
    (tmp_path / "report.json").write_text(json.dumps(document))
    with pytest.raises(MembudgetError):
        read_report(tmp_path / "report.json")
