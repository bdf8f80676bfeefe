"""The arguments of `membudget metrics`. Imports nothing heavy."""

import argparse

from membudget.cli.handler import Handler
from membudget.cli.report_arguments import add_written_report

_EXAMPLES = """\
examples:
  %(prog)s --pushgateway http://pushgateway.example:9091
  %(prog)s --remote-write https://prometheus.example/api/v1/write --token-file token
  %(prog)s --pushgateway https://push.example --label team=shop"""


def add_metrics(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget metrics` and its command."""
    command = commands.add_parser(
        "metrics",
        help="push the figures of a report to a Pushgateway or to Prometheus",
        description="Push the figures of a report to a Pushgateway or to Prometheus.",
    )
    kinds = command.add_subparsers(metavar="COMMAND", required=True)
    push = kinds.add_parser(
        "push",
        help="push the figures of a report",
        description="Push the figures of a report to a Pushgateway, or by Prometheus' remote write.\n"
        "The figures are those of `report --format prometheus`. Push only reports of\n"
        "the main branch: the figures of a pull request would replace those of the main branch.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_written_report(push)
    where = push.add_mutually_exclusive_group(required=True)
    where.add_argument(
        "--pushgateway", metavar="URL", help="address of a Pushgateway; the figures replace those of the last push"
    )
    where.add_argument(
        "--remote-write",
        metavar="URL",
        help="address for remote write, such as https://prometheus.example/api/v1/write; the samples have the time at"
        " which the check ended",
    )
    push.add_argument(
        "--label",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="label to add to every series (repeatable; default: repository=OWNER/NAME in jobs of GitHub, Forgejo and"
        " Gitea)",
    )
    push.add_argument("--token-file", metavar="FILE", help="file with the token, or with USER:PASSWORD, for the server")
    push.set_defaults(handler=Handler("metrics", "push"))
