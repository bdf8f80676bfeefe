"""Which membudget this is."""

from importlib.metadata import version

VERSION = version("membudget")
