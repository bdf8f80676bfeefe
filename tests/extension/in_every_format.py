"""A report in every format, by one process: `python -m tests.extension.in_every_format REPORT FOLDER`."""

import sys
from pathlib import Path

from membudget.cli.main import main

FORMATS = ("terminal", "markdown", "html", "json", "junit", "openmetrics", "sarif")


def write_all(report: Path, folder: Path) -> None:
    """Write a file for each format, named like it."""
    folder.mkdir()
    whole = {"terminal": ["--verbose"]}
    codes = [
        main(["report", str(report), "--format", name, "--output", str(folder / name), *whole.get(name, [])])
        for name in FORMATS
    ]
    if any(codes):
        sys.exit("membudget report failed")


if __name__ == "__main__":
    write_all(Path(sys.argv[1]), Path(sys.argv[2]))
