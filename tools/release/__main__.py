"""The steps of a release, in this order; .github/workflows/release.yml runs them.

    PYTHONPATH=tools python -m release check release/v1.2.3
    PYTHONPATH=tools python -m release image release/v1.2.3 --repository R [-- OPTIONS OF BUILDX]
    PYTHONPATH=tools python -m release packages release/v1.2.3 --dist DIR --index URL
    PYTHONPATH=tools python -m release publish release/v1.2.3 --repository R --dist DIR --index URL

Each step can run again: it keeps what is there already, and refuses to replace what was published. The floating tag
moves last. `publish` looks for everything else first: it does not rely on the steps before it.
"""

import argparse
import os
import sys
from pathlib import Path

from release import image, source, tags

_TOP = Path(__file__).resolve().parents[2]


def main(arguments: list[str]) -> int:
    """Run one step on the clone that this file is in, or on another."""
    parser = _parser()
    given, options = arguments, list[str]()
    if "--" in arguments:
        place = arguments.index("--")
        given, options = arguments[:place], arguments[place + 1 :]
    asked = parser.parse_args(given)
    found = source.read(asked.clone, asked.tag)
    match asked.step:
        case "check":
            _say(version=found.version, commit=found.commit)
        case "image":
            made = image.provide(found, asked.repository, options, asked.scanner)
            _say(digest=made.digest, image=made.repository)
        case "packages":
            from release import packages  # needs requests, and the steps before run without any library

            files = packages.build(found, asked.dist)
            absent = packages.missing(asked.index, files)
            _say(upload="true" if absent else "false")
        case "publish":
            _publish(found, asked)
    return 0


def _publish(found: source.Source, asked: argparse.Namespace) -> None:
    """Publish the release of what the steps before have made."""
    from release import packages, page

    made = image.published(found, asked.repository)
    if made is None:
        raise SystemExit(f"{asked.repository} does not have {found.version}\nfix: run the step image first")
    packages.await_upload(asked.index, packages.built(found, asked.dist), asked.patience)
    commit = tags.release_commit(found, made.reference)
    pushed = tags.publish(found, asked.remote, commit)
    print(f"{found.release_tag} is {commit}{'' if pushed else ', as before'}", file=sys.stderr)
    if asked.github is not None:
        token = os.environ.get("GITHUB_TOKEN", "")
        page.provide(found, made, asked.github, os.environ.get("GITHUB_API_URL", "https://api.github.com"), token)
    moved = tags.move(found, asked.remote, commit)
    print(f"{moved} moved" if moved else "no floating tag moved", file=sys.stderr)
    _say(commit=commit, moved=moved or "")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="release", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    steps = parser.add_subparsers(dest="step", required=True)
    check, build, dist, publish = (steps.add_parser(name) for name in ("check", "image", "packages", "publish"))
    for step in (check, build, dist, publish):
        step.add_argument("tag", help="the tag that the maintainer pushed, like release/v1.2.3")
        step.add_argument("--clone", type=Path, default=_TOP, help="the clone to release (default: this one)")
    for step in (build, publish):
        step.add_argument("--repository", required=True, help="the image's, like ghcr.io/membudget/membudget")
    for step in (dist, publish):
        step.add_argument("--dist", type=Path, required=True, help="the folder of wheel and sdist")
        step.add_argument("--index", default="https://pypi.org/simple", help="the package index (PEP 503)")
    build.add_argument("--scanner", default=image.SCANNER, help="the image that writes the SBOM")
    publish.add_argument("--remote", default="origin", help="where the tags go (default: origin)")
    publish.add_argument("--github", help="owner/name: also make the release's page, with GITHUB_TOKEN")
    publish.add_argument("--patience", type=float, default=600, help="seconds to wait for the index (default: 600)")
    return parser


def _say(**outputs: str) -> None:
    """Print the step's outputs, and hand them to later steps of the workflow."""
    lines = "".join(f"{name}={value}\n" for name, value in outputs.items())
    print(lines, end="")
    if path := os.environ.get("GITHUB_OUTPUT"):
        with Path(path).open("a") as file:
            file.write(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
