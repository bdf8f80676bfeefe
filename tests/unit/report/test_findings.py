"""What trials showed, in sentences."""

from dataclasses import replace

from membudget.report.findings import findings
from membudget.trials.trial import LimitContact
from tests.support.builders import trial


def test_the_worst_contact_with_the_limit_is_said_also_where_some_were_not_counted() -> None:
    contacts = [
        LimitContact(None, 5 << 20, None, True),
        LimitContact(7, None, 90, True),
        LimitContact(9, None, 1, False),
    ]
    said = [
        finding.as_text()
        for finding in findings([replace(trial(40), at_limit=contact) for contact in contacts])
        if finding.is_grave
    ]
    assert said == ["thrashing at the limit: memory was reclaimed 7 times, some process waited for memory for 90 ms"]
