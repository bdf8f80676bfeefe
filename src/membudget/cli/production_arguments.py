"""The arguments of `membudget fidelity production`. Imports nothing heavy."""

import argparse

from membudget.cli.argument_values import number_up_to
from membudget.cli.handler import Handler
from membudget.cli.shared_arguments import add_budgets, add_place
from membudget.core.files import DEFAULT_REPORT

_EXAMPLES = """\
examples:
  %(prog)s --prometheus https://prometheus.example.com --token-file token
  %(prog)s api --prometheus http://localhost:9090 --match 'api={namespace="shop", container="api"}'
  %(prog)s --samples samples.csv --from-history"""


def add_production(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget fidelity production`."""
    command = kinds.add_parser(
        "production",
        help="compare the memory of CI with that of production",
        description="Read from a Prometheus how much memory the images use in production, and compare it with the last"
        " check. Print\nhow much of production's peak the workload reaches, and which `scale` would close the gap."
        " Production is only read.\nRuns no image and needs no engine.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("images", nargs="*", metavar="IMAGE", help="image to compare (default: all)")
    source = command.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--prometheus",
        metavar="URL",
        help="address of a Prometheus, Thanos, Mimir or VictoriaMetrics, to which /api/v1/query can be added",
    )
    source.add_argument("--samples", metavar="FILE", help="file of samples from production, as CSV or JSON")
    command.add_argument(
        "--token-file", metavar="FILE", help="file with the token, or with USER:PASSWORD, for --prometheus"
    )
    command.add_argument(
        "--days",
        type=number_up_to(90),
        default=14,
        metavar="N",
        help="how many days of --prometheus to read (default: %(default)s)",
    )
    command.add_argument(
        "--match",
        action="append",
        default=[],
        metavar="IMAGE=SELECTOR",
        help="the containers of an image in production, as label matchers of PromQL (repeatable; default:"
        " `production.selector` in the budgets file, else the containers that the manifests name, else"
        ' {container="IMAGE"})',
    )
    command.add_argument(
        "--report", default=DEFAULT_REPORT, metavar="FILE", help="report of a check (default: %(default)s)"
    )
    command.add_argument(
        "--from-history",
        action="store_true",
        help="take the newest figures of CI from the history of the main branch, not from a report",
    )
    add_place(command)
    add_budgets(command, "budgets file with the selectors and scales; not needed")
    command.add_argument("--format", choices=("text", "json", "markdown"), default="text", help="default: %(default)s")
    command.set_defaults(handler=Handler("fidelity_production", "production"))
