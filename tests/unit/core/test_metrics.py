from dataclasses import fields

import pytest

from membudget.core.definition import Counter, LargestSample, LastSamples
from membudget.core.metrics import Metric
from membudget.measure.probe.messages import ProbeReport, Series


@pytest.mark.parametrize("metric", Metric)
def test_a_definition_names_what_the_probe_has(metric: Metric) -> None:
    match metric.definition.found:
        case LargestSample(column) | LastSamples(column):
            assert column in {one.name for one in fields(Series)}
        case Counter(reading):
            assert reading in {one.name for one in fields(ProbeReport)}
    production = metric.definition.in_production
    if production is not None and production.column is not None:
        assert production.column in {one.name for one in fields(Series)}
    assert metric.name == metric.value.upper()


def test_the_schema_says_of_a_key_what_the_metric_is_unless_there_are_other_words() -> None:
    assert Metric.IMAGE_SIZE.definition.key_words == "Sum of regular-file bytes in all layers, uncompressed."
    assert Metric.PEAK_RSS.definition.key_words == "Largest anonymous plus shared memory."
