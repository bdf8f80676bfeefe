"""Chromium and its driver: the tests and pictures of the report's page need them."""

import shutil

import debian

_PACKAGES = {"chromium": "chromium", "chromedriver": "chromium-driver"}
"""Program: the Debian package that has it."""


def provide() -> None:
    """Install what is missing, where that is possible."""
    missing = [package for program, package in _PACKAGES.items() if shutil.which(program) is None]
    if missing and debian.is_usable():
        debian.install(*missing)
