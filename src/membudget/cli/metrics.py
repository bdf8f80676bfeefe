"""Runs `membudget metrics push`: a report's figures go to a Pushgateway or to Prometheus. No engine."""

import argparse
import base64
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from membudget.core.errors import ConfigurationError, ExitCode, shortened
from membudget.publish.report_file import read_report
from membudget.report.formats.exposition import JOB, Family, plain_text
from membudget.report.formats.openmetrics import families
from membudget.report.formats.remote_write import HEADERS, write_requests
from membudget.web.metrics_login import MetricsAddress, secret_in
from membudget.web.push import MetricsServer

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
_IN_PATH = re.compile(r"[\w-][\w.-]*", re.ASCII)
"""What a path of the Pushgateway's API may hold as it is."""
_LONGEST_VALUE = 200
_PLAIN_TEXT = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}


def push(options: argparse.Namespace) -> ExitCode:
    """Run `membudget metrics push`."""
    address = _address(options)
    report = read_report(Path(options.report))
    if report.shard is not None:
        raise ConfigurationError(
            "it is a part of a check", where=options.report, fix="combine the parts: membudget merge"
        )
    found = [family for family in families(report.judged()) if family.samples]
    labels = _labels(options.label, os.environ.get("GITHUB_REPOSITORY", ""), found)
    server = MetricsServer(address)
    if options.pushgateway is not None:
        server.send("PUT", _group(labels), plain_text(found).encode(errors="replace"), _PLAIN_TEXT)
    else:
        ended_ms = round(report.started_at.timestamp() * 1000) + report.duration_ms
        for body in write_requests(found, {"job": JOB, **labels}, ended_ms):
            server.send("POST", "", body, HEADERS)
    print(f"{sum(len(family.samples) for family in found)} figures were pushed to {address.url}")
    return ExitCode.WITHIN_BUDGET


def _address(options: argparse.Namespace) -> MetricsAddress:
    secret = secret_in(options.token_file)
    if options.pushgateway is not None:
        return MetricsAddress(options.pushgateway, "--pushgateway", secret)
    return MetricsAddress(options.remote_write, "--remote-write", secret)


def _labels(given: Sequence[str], repository: str, found: Sequence[Family]) -> dict[str, str]:
    """Return the labels to add. Raises ConfigurationError for one that a series has already."""
    labels = {"repository": repository} if repository else {}
    taken = {"job", *(name for family in found for sample in family.samples for name in sample.labels)}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not _NAME.fullmatch(name) or name.startswith("__"):
            raise ConfigurationError(f"--label: {shortened(text)!r} is not NAME=VALUE", fix="write --label team=shop")
        if name in taken:
            raise ConfigurationError(f"--label: the figures have a label {name} already", fix="use another name")
        if not value or len(value) > _LONGEST_VALUE or not value.isprintable():
            what = f"--label: the value of {name} is empty, longer than {_LONGEST_VALUE} characters, or not printable"
            raise ConfigurationError(what)
        labels[name] = value
    return labels


def _group(labels: Mapping[str, str]) -> str:
    """Return the path of a group of figures in a Pushgateway: a push replaces the figures of its group alone."""
    return f"/metrics/job/{JOB}" + "".join(f"/{_in_path(name, value)}" for name, value in labels.items())


def _in_path(name: str, value: str) -> str:
    if _IN_PATH.fullmatch(value):
        return f"{name}/{value}"
    return f"{name}@base64/{base64.urlsafe_b64encode(value.encode()).decode()}"
