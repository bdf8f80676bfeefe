"""Assemble the self-test's program again, and compare it with the machine code beside its assembly.

    python3 tools/self_test_program.py

llvm-mc assembles both architectures. Without it, GNU as assembles the machine's own.
"""

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from membudget.measure.static_program import LISTINGS, Architecture

_TRIPLES: dict[Architecture, str] = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_LINE = re.compile(r" {4}([0-9a-f]+) +(.*)")


def main() -> int:
    """Compare all listings that can be assembled here."""
    codes = []
    for architecture in LISTINGS:
        assembler = _assembler(architecture)
        if assembler is None:
            print(f"{architecture}: no assembler (llvm-mc, or GNU as on {architecture})")
            codes.append(1)
            continue
        code, assembly = _split(LISTINGS[architecture])
        is_same = _assembled(assembler, assembly) == code
        print(f"{architecture}: {len(code)} bytes, {'as assembled' if is_same else 'NOT as assembled'}")
        codes.append(0 if is_same else 1)
    return max(codes)


def _split(listing: str) -> tuple[bytes, str]:
    """Return the machine code and the assembly of a listing."""
    matched = [(line, _LINE.fullmatch(line)) for line in listing.strip("\n").splitlines()]
    code = bytes.fromhex("".join(found[1] for _, found in matched if found is not None))
    return code, "\n".join(found[2] if found is not None else line for line, found in matched) + "\n"


def _assembler(architecture: Architecture) -> list[str] | None:
    if shutil.which("llvm-mc") is not None:
        return ["llvm-mc", f"--triple={_TRIPLES[architecture]}", "--filetype=obj", "-o"]
    if shutil.which("as") is not None and platform.machine() == _TRIPLES[architecture].partition("-")[0]:
        return ["as", "-o"]
    return None


def _assembled(assembler: list[str], assembly: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        source, made, text = (Path(folder, name) for name in ("program.s", "program.o", "program.bin"))
        source.write_text(assembly)
        subprocess.run([*assembler, made, source], check=True)
        copy = shutil.which("llvm-objcopy") or "objcopy"
        subprocess.run([copy, "--only-section=.text", "--output-target=binary", made, text], check=True)
        return text.read_bytes()


if __name__ == "__main__":
    sys.exit(main())
