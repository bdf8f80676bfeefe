"""The network of the tests' engine: a second engine has one of its own (tools/second_engine.py).

What a container on the engine's host network calls localhost is this process's own only where both are on one network.
"""

import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

import second_engine
from membudget.measure.workload.confinement import enter_network

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
"""netdevice(7)"""
_OWN = "/proc/thread-self/ns/net"


@contextmanager
def on_engines_network() -> Iterator[None]:
    """This thread, and the threads and processes that it starts meanwhile, are on the network of the tests' engine."""
    namespace = second_engine.network()
    if namespace is None:
        yield
        return
    own = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        enter_network(namespace)
        _turn_loopback_on()
        yield
    finally:
        enter_network(f"/proc/self/fd/{own}")
        os.close(own)


def _turn_loopback_on() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        (flags,) = struct.unpack_from("H", answer, 16)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))
