"""A program of known memory, for the self-test: a static executable of a few hundred bytes for amd64 and arm64.

The program goes through a table of steps. Each step maps memory, writes to every page of it, waits, and unmaps it
unless the step keeps it. There is no libc and no allocator, so the kernel charges what the table says, and a few pages
for the program and its stack. Users have no compiler, so the machine code is here, beside the assembly that it comes
from. `tools/self_test_program.py` assembles it again and compares (GNU as or llvm-mc).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Architecture = Literal["amd64", "arm64"]
"""Go's names, which engines use."""

PAGE_BYTES = 4096

_AMD64 = """
start:
    488d1da4000000     lea table(%rip), %rbx
next:
    48837b10ff         cmpq $-1, 16(%rbx)
    0f8490000000       je done
    4c8b23             mov (%rbx), %r12
    4d85e4             test %r12, %r12
    7452               jz pause
    31ff               xor %edi, %edi
    4c89e6             mov %r12, %rsi
    ba03000000         mov $3, %edx
    41ba22000000       mov $0x22, %r10d
    49c7c0ffffffff     mov $-1, %r8
    4531c9             xor %r9d, %r9d
    b809000000         mov $9, %eax
    0f05               syscall
    4885c0             test %rax, %rax
    785b               js failed
    4989c5             mov %rax, %r13
    4889c7             mov %rax, %rdi
    4c89e6             mov %r12, %rsi
    ba0f000000         mov $15, %edx
    b81c000000         mov $28, %eax
    0f05               syscall
    4c89e9             mov %r13, %rcx
    4f8d742500         lea (%r13,%r12), %r14
touch:
    c60101             movb $1, (%rcx)
    4881c100100000     add $4096, %rcx
    4c39f1             cmp %r14, %rcx
    72f1               jb touch
pause:
    488d7b08           lea 8(%rbx), %rdi
    31f6               xor %esi, %esi
    b823000000         mov $35, %eax
    0f05               syscall
    4d85e4             test %r12, %r12
    7414               jz following
    48837b1800         cmpq $0, 24(%rbx)
    750d               jne following
    4c89ef             mov %r13, %rdi
    4c89e6             mov %r12, %rsi
    b80b000000         mov $11, %eax
    0f05               syscall
following:
    4883c320           add $32, %rbx
    e96cffffff         jmp next
failed:
    bf01000000         mov $1, %edi
    eb02               jmp leave
done:
    31ff               xor %edi, %edi
leave:
    b8e7000000         mov $231, %eax
    0f05               syscall
table:
"""
_ARM64 = """
start:
    b3050010           adr x19, table
next:
    600a40f9           ldr x0, [x19, #16]
    1f0400b1           cmn x0, #1
    e0040054           b.eq done
    740240f9           ldr x20, [x19]
    d40200b4           cbz x20, pause
    000080d2           mov x0, #0
    e10314aa           mov x1, x20
    620080d2           mov x2, #3
    430480d2           mov x3, #0x22
    04008092           mov x4, #-1
    050080d2           mov x5, #0
    c81b80d2           mov x8, #222
    010000d4           svc #0
    4003f8b7           tbnz x0, #63, failed
    f50300aa           mov x21, x0
    e10314aa           mov x1, x20
    e20180d2           mov x2, #15
    281d80d2           mov x8, #233
    010000d4           svc #0
    e00315aa           mov x0, x21
    a102148b           add x1, x21, x20
    22008052           mov w2, #1
touch:
    02000039           strb w2, [x0]
    00044091           add x0, x0, #1, lsl #12
    1f0001eb           cmp x0, x1
    a3ffff54           b.lo touch
pause:
    60220091           add x0, x19, #8
    010080d2           mov x1, #0
    a80c80d2           mov x8, #101
    010000d4           svc #0
    f40000b4           cbz x20, following
    600e40f9           ldr x0, [x19, #24]
    a00000b5           cbnz x0, following
    e00315aa           mov x0, x21
    e10314aa           mov x1, x20
    e81a80d2           mov x8, #215
    010000d4           svc #0
following:
    73820091           add x19, x19, #32
    daffff17           b next
failed:
    200080d2           mov x0, #1
    02000014           b leave
done:
    000080d2           mov x0, #0
leave:
    c80b80d2           mov x8, #94
    010000d4           svc #0
table:
"""
LISTINGS: dict[Architecture, str] = {"amd64": _AMD64, "arm64": _ARM64}
"""Per instruction, the machine code and the assembly (AT&T syntax on amd64). System calls: Linux's asm/unistd.h."""

_MACHINES: dict[Architecture, int] = {"amd64": 62, "arm64": 183}
"""EM_X86_64 and EM_AARCH64 (elf.h)."""
_ADDRESS = 0x400000
_ALIGNMENT = 0x10000
"""Pages of arm64 kernels may have 64 KiB."""
_END = (0, 0, -1, 0)
_ELF_HEADER = "<16sHHIQQQIHHHHHH"
_PROGRAM_HEADER = "<IIQQQQQQ"


@dataclass(frozen=True, slots=True)
class ProgramStep:
    """One step of the program."""

    bytes: int
    """How much memory to take, whole pages. 0 only waits."""
    wait_ms: int
    keeps: bool = False
    """Whether the memory is kept until the program ends."""


def architecture_of(platform: str) -> Architecture | None:
    """Return the architecture of a platform such as "linux/amd64". None if there is no program for it."""
    system, _, rest = platform.partition("/")
    name = rest.partition("/")[0]
    return next((one for one in get_args(Architecture) if system == "linux" and one == name), None)


def static_program(architecture: Architecture, steps: Sequence[ProgramStep]) -> bytes:
    """Return an executable that goes through `steps` and exits with 0, or with 1 if the kernel refuses memory."""
    text = _machine_code(architecture) + b"".join(map(_row, steps)) + struct.pack("<4q", *_END)
    headers = struct.calcsize(_ELF_HEADER) + 2 * struct.calcsize(_PROGRAM_HEADER)
    size = headers + len(text)
    loaded = _program_header(1, 5, size)  # PT_LOAD, readable and executable
    stack = _program_header(0x6474E551, 6, 0)  # PT_GNU_STACK, not executable: otherwise no memory would be
    return _elf_header(architecture, _ADDRESS + headers) + loaded + stack + text


def _machine_code(architecture: Architecture) -> bytes:
    instructions = (line.split()[0] for line in LISTINGS[architecture].splitlines() if line.startswith(" "))
    return bytes.fromhex("".join(instructions))


def _row(step: ProgramStep) -> bytes:
    """Return a row of the table: bytes, and a timespec, and whether the memory is kept, 8 bytes each."""
    if step.bytes % PAGE_BYTES or step.bytes < 0 or step.wait_ms < 0:
        raise ValueError(f"{step} has no whole pages, or waits for a negative time")
    seconds, rest_ms = divmod(step.wait_ms, 1000)
    return struct.pack("<4q", step.bytes, seconds, rest_ms * 1_000_000, step.keeps)


def _elf_header(architecture: Architecture, entry: int) -> bytes:
    identity = b"\x7fELF" + bytes([2, 1, 1])  # 64 bits, little-endian, version 1; the rest is zeros
    size, program_header = struct.calcsize(_ELF_HEADER), struct.calcsize(_PROGRAM_HEADER)
    executable, version = 2, 1
    return struct.pack(
        _ELF_HEADER,
        identity, executable, _MACHINES[architecture], version, entry, size, 0, 0, size, program_header, 2, 0, 0, 0,
    )  # fmt: skip


def _program_header(kind: int, flags: int, size: int) -> bytes:
    address = _ADDRESS if size else 0
    return struct.pack(_PROGRAM_HEADER, kind, flags, 0, address, address, size, size, _ALIGNMENT)
