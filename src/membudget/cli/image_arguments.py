"""The arguments of the commands about images, `membudget inspect` and `membudget diff`. Imports nothing heavy."""

import argparse

from membudget.core.errors import ExitCode

_IMAGE_HELP = (
    "an image of the engine, an archive of docker save, or an OCI layout; or docker:NAME, docker-archive:FILE,"
    " oci-archive:FILE, oci-dir:FOLDER, registry:NAME"
)


def add_inspect(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget inspect`."""
    command = commands.add_parser(
        "inspect",
        help="show where the bytes of an image are",
        description="Show an image's size, waste, layers, biggest folders and packages, and what could be saved."
        " Nothing is pulled or unpacked.",
    )
    command.add_argument("image", metavar="IMAGE", help=_IMAGE_HELP)
    _add_image_options(command)
    add_base_variants(command)
    command.set_defaults(handler=_inspect)


def add_diff(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget diff`."""
    command = commands.add_parser(
        "diff",
        help="show what differs between two images",
        description="Show which layers, packages and files differ between two images, largest first.",
    )
    command.add_argument("base", metavar="BASE", help=_IMAGE_HELP)
    command.add_argument("head", metavar="HEAD", help="likewise")
    _add_image_options(command)
    command.set_defaults(handler=_diff)


def _add_image_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument("--dockerfile", metavar="FILE", help="name its lines, and tell own layers from the base's")
    command.add_argument("--target", metavar="STAGE", help="the stage that was built (default: the last one)")
    command.add_argument("--platform", metavar="OS/ARCH", help="of an index of several (default: this machine's)")
    download = "also compress layers that the engine keeps plain (half a minute for each new GiB)"
    command.add_argument("--download-size", action="store_true", help=download)


def add_base_variants(command: argparse.ArgumentParser) -> None:
    """Add `--base-variants`, an option of `inspect` and of `check`."""
    command.add_argument(
        "--base-variants",
        action="store_true",
        help="ask the registry for a smaller variant of the base image (reads its layers, once)",
    )


def _inspect(options: argparse.Namespace) -> ExitCode:
    from membudget.cli.images import inspect

    return inspect(options)


def _diff(options: argparse.Namespace) -> ExitCode:
    from membudget.cli.images import diff

    return diff(options)
