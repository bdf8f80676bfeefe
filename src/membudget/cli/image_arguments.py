"""The arguments of the commands about images, `membudget inspect` and `membudget diff`. Imports nothing heavy."""

import argparse

from membudget.cli.handler import Handler

_IMAGE_HELP = (
    "name of an image in the engine, path of an archive (docker save) or path of an OCI layout; to be explicit, write"
    " docker:NAME, docker-archive:FILE, oci-archive:FILE or oci-dir:FOLDER; registry:NAME is an image in a registry"
)


def add_inspect(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget inspect`."""
    command = commands.add_parser(
        "inspect",
        help="show what an image consists of, and possible savings",
        description="Show an image's size, waste, layers, largest folders and packages, and possible savings. Does"
        " not pull or unpack the image.",
    )
    command.add_argument("image", metavar="IMAGE", help=_IMAGE_HELP)
    _add_image_options(command)
    add_base_variants(command)
    command.set_defaults(handler=Handler("images", "inspect"))


def add_diff(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `membudget diff`."""
    command = commands.add_parser(
        "diff",
        help="show what differs between two images",
        description="Show the layers, packages and files that differ between two images, largest first.",
    )
    command.add_argument("base", metavar="BASE", help=_IMAGE_HELP)
    command.add_argument("head", metavar="HEAD", help="second image, named in the same way as BASE")
    _add_image_options(command)
    command.set_defaults(handler=Handler("images", "diff"))


def _add_image_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print JSON")
    command.add_argument(
        "--dockerfile",
        metavar="FILE",
        help="show the lines of this Dockerfile, and separate your layers from the base image's",
    )
    command.add_argument("--target", metavar="STAGE", help="stage that was built (default: the last one)")
    command.add_argument(
        "--platform", metavar="OS/ARCH", help="platform of a multi-platform image (default: this machine's)"
    )
    download = (
        "show the compressed size, too; membudget compresses layers that the engine stores uncompressed (half a minute"
        " for each new GiB)"
    )
    command.add_argument("--download-size", action="store_true", help=download)


def add_base_variants(command: argparse.ArgumentParser) -> None:
    """Add `--base-variants`, an option of `inspect` and of `check`."""
    command.add_argument(
        "--base-variants",
        action="store_true",
        help="look in the registry for smaller variants of the base image and suggest them (the first run downloads the"
        " layers of each variant)",
    )
