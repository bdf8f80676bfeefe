"""The self-test's program: an executable whose memory is what its table says, on both architectures."""

import platform
import re
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from membudget.core.quantities import KIB, MIB
from membudget.measure.static_program import LISTINGS, Architecture, ProgramStep, architecture_of, static_program
from tests.support.awaited import until
from tests.support.missing import skip_for_want_of

BOTH = pytest.mark.parametrize("architecture", ["amd64", "arm64"])
STEPS = (ProgramStep(0, 5), ProgramStep(2 * MIB, 1500, keeps=True), ProgramStep(3 * MIB, 50))


@BOTH
def test_the_program_is_small_and_linux_loads_it(architecture: Architecture) -> None:
    program = static_program(architecture, STEPS)

    assert len(program) < 4 * KIB
    magic, _, _, kind, machine = struct.unpack_from("<4sBB10xHH", program)
    assert (magic, kind) == (b"\x7fELF", 2)
    assert machine == {"amd64": 62, "arm64": 183}[architecture]
    entry, headers = struct.unpack_from("<QQ", program, 24)
    assert (entry, headers) == (0x400000 + 64 + 2 * 56, 64)
    load, flags, offset, address, _, stored, size, alignment = struct.unpack_from("<IIQQQQQQ", program, 64)
    assert (load, flags, offset, address) == (1, 5, 0, 0x400000)
    assert stored == size == len(program)
    assert alignment == 64 * KIB  # pages of some arm64 kernels are that large


@BOTH
def test_every_instruction_has_its_machine_code_beside_it(architecture: Architecture) -> None:
    lines = [line for line in LISTINGS[architecture].strip().splitlines() if line.startswith(" ")]

    assert all(re.fullmatch(r" {4}([0-9a-f]{2})+ +\w.*", line) for line in lines)
    if architecture == "arm64":
        assert all(len(line.split()[0]) == 8 for line in lines)


@pytest.mark.parametrize(
    ("found", "architecture"),
    [
        ("linux/amd64", "amd64"),
        ("linux/arm64", "arm64"),
        ("linux/arm64/v8", "arm64"),
        ("linux/riscv64", None),
        ("windows/amd64", None),
        ("", None),
    ],
)
def test_the_architecture_is_the_engines(found: str, architecture: Architecture | None) -> None:
    assert architecture_of(found) == architecture


@pytest.mark.parametrize("step", [ProgramStep(1, 0), ProgramStep(-4096, 0), ProgramStep(0, -1)])
def test_parts_of_pages_and_negative_times_are_refused(step: ProgramStep) -> None:
    with pytest.raises(ValueError, match="no whole pages"):
        static_program("amd64", [step])


@pytest.mark.thorough
def test_the_program_holds_what_its_table_says(tmp_path: Path) -> None:
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        skip_for_want_of("only Linux on amd64 runs programs for it")
    program = tmp_path / "program"
    program.write_bytes(static_program("amd64", [ProgramStep(16 * MIB, 0, keeps=True), ProgramStep(0, 60_000)]))
    program.chmod(0o755)
    with subprocess.Popen([program]) as process:
        try:
            status = Path(f"/proc/{process.pid}/status")
            until(lambda: _anonymous_bytes(status) >= 16 * MIB, "16 MiB of memory")
            assert _anonymous_bytes(status) <= 16 * MIB + 64 * KIB
        finally:
            process.kill()


def _anonymous_bytes(status: Path) -> int:
    found = re.search(r"^RssAnon:\s+(\d+) kB$", status.read_text(), re.MULTILINE)
    return int(found[1]) * KIB if found is not None else 0


@pytest.mark.thorough
def test_on_arm64_it_asks_the_kernel_for_the_same() -> None:
    """No arm64 machine is needed: a few lines play the instructions that the program uses."""
    kernel = Arm64(static_program("arm64", STEPS))
    kernel.run()

    assert kernel.calls == [
        ("nanosleep", 0, 5_000_000),
        ("mmap", 2 * MIB),
        ("madvise", 2 * MIB, 15),
        ("nanosleep", 1, 500_000_000),
        ("mmap", 3 * MIB),
        ("madvise", 3 * MIB, 15),
        ("nanosleep", 0, 50_000_000),
        ("munmap", 3 * MIB),
        ("exit_group", 0),
    ]
    assert kernel.touched == {2 * MIB: 512, 3 * MIB: 768}


def test_on_arm64_a_refusal_of_memory_ends_it() -> None:
    kernel = Arm64(static_program("arm64", STEPS), refuses=True)
    kernel.run()

    assert kernel.calls[-1] == ("exit_group", 1)


_MASK = (1 << 64) - 1
_CODE = 0x400000


class Arm64:
    """Plays the instructions of the program, as the Arm Architecture Reference Manual encodes them (C4, C6)."""

    def __init__(self, program: bytes, *, refuses: bool = False) -> None:
        self._program = program
        self._refuses = refuses
        self._x = [0] * 32
        self._equal = self._lower = False
        self._pc: int = struct.unpack_from("<Q", program, 24)[0]
        self._maps: dict[int, int] = {}
        self.touched: dict[int, int] = {}
        """How many pages were written to, by the size of their map."""
        self.calls: list[tuple[str | int, ...]] = []

    def run(self) -> None:
        """Run until the program exits."""
        while not self.calls or self.calls[-1][0] != "exit_group":
            (word,) = struct.unpack_from("<I", self._program, self._pc - _CODE)
            self._pc = self._next(int(word))

    def _next(self, word: int) -> int:  # noqa: C901 - a branch for each instruction
        """Obey one instruction; the address of the next."""
        d, n, m = word & 31, word >> 5 & 31, word >> 16 & 31
        following = self._pc + 4
        if word & 0xFF000000 == 0x10000000:  # adr
            self._x[d] = self._pc + (_signed(word >> 5, 19) << 2 | word >> 29 & 3)
        elif word & 0xFFC00000 == 0xF9400000:  # ldr x, [x, #imm]
            self._x[d] = self._quad(self._x[n] + (word >> 10 & 0xFFF) * 8)
        elif word & 0x7F800000 == 0x52800000:  # movz
            self._x[d] = (word >> 5 & 0xFFFF) << 16 * (word >> 21 & 3)
        elif word & 0xFF800000 == 0x92800000:  # movn
            self._x[d] = ~((word >> 5 & 0xFFFF) << 16 * (word >> 21 & 3)) & _MASK
        elif word & 0xFFE0FFE0 == 0xAA0003E0:  # mov x, x
            self._x[d] = self._x[m]
        elif word & 0x7F000000 == 0x31000000 and d == 31:  # cmn x, #imm
            self._equal = (self._x[n] + (word >> 10 & 0xFFF)) & _MASK == 0
        elif word & 0xFF800000 == 0x91000000:  # add x, x, #imm
            self._x[d] = (self._x[n] + ((word >> 10 & 0xFFF) << 12 * (word >> 22 & 1))) & _MASK
        elif word & 0xFFE0FC00 == 0x8B000000:  # add x, x, x
            self._x[d] = (self._x[n] + self._x[m]) & _MASK
        elif word & 0xFFE0FC1F == 0xEB00001F:  # cmp x, x
            self._lower = self._x[n] < self._x[m]
        elif word & 0xFFC00000 == 0x39000000:  # strb w, [x]
            self._touch(self._x[n])
        elif word & 0xFFFFFFFF == 0xD4000001:  # svc #0
            self._call()
        else:
            return self._pc + self._branch(word, d)
        return following

    def _branch(self, word: int, register: int) -> int:
        """How far the instruction jumps, in bytes."""
        if word & 0xFC000000 == 0x14000000:  # b
            return _signed(word, 26) * 4
        if word & 0xFF00001F in (0x54000000, 0x54000003):  # b.eq, b.lo
            holds = self._equal if word & 1 == 0 else self._lower
            return _signed(word >> 5, 19) * 4 if holds else 4
        if word & 0xFE000000 == 0xB4000000:  # cbz, cbnz
            jumps = (self._x[register] == 0) != bool(word >> 24 & 1)
            return _signed(word >> 5, 19) * 4 if jumps else 4
        assert word & 0x7F000000 == 0x37000000, f"{word:08x} is no instruction of the program"  # tbnz
        bit = (word >> 31) << 5 | word >> 19 & 31
        return _signed(word >> 5, 14) * 4 if self._x[register] >> bit & 1 else 4

    def _call(self) -> None:
        name = _CALLS[self._x[8]]
        if name == "mmap":
            assert self._x[:6] == [0, self._x[1], 3, 0x22, _MASK, 0]
            address = 0x10000000 * (1 + len(self._maps))
            self._maps[address] = self._x[1]
            self.calls.append((name, self._x[1]))
            self._x[0] = -12 & _MASK if self._refuses else address
        elif name == "nanosleep":
            assert self._x[1] == 0
            self.calls.append((name, self._quad(self._x[0]), self._quad(self._x[0] + 8)))
        elif name == "exit_group":
            self.calls.append((name, self._x[0]))
        else:
            assert self._maps[self._x[0]] == self._x[1]
            self.calls.append((name, self._x[1], *([self._x[2]] if name == "madvise" else [])))

    def _touch(self, address: int) -> None:
        assert self._x[2] == 1
        size = next(size for begin, size in self._maps.items() if begin <= address < begin + size)
        self.touched[size] = self.touched.get(size, 0) + 1

    def _quad(self, address: int) -> int:
        (found,) = struct.unpack_from("<Q", self._program, address - _CODE)
        return int(found)


_CALLS: Mapping[int, str] = {222: "mmap", 233: "madvise", 101: "nanosleep", 215: "munmap", 94: "exit_group"}
"""include/uapi/asm-generic/unistd.h."""


def _signed(value: int, bits: int) -> int:
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value
