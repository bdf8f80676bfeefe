"""`membudget fidelity scaling` on a real engine, with a service whose growth is planted."""

import pytest

from membudget.core.quantities import KIB, MIB
from membudget.engine.connection import Engine
from tests.support import membudget_process
from tests.support.missing import skip_for_want_of
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository

GROWS = '''
"""Holds 8 MiB for each CPU that it may use, and 512 KiB for each open connection."""
import asyncio
import os

held = [b"x" * (8 << 20) for _ in os.sched_getaffinity(0)]


async def answer(reader, writer):
    kept = b"x" * (512 << 10)
    while line := await reader.readline():
        if line == b"\\r\\n":
            writer.write(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok")
    writer.close()


async def serve():
    async with await asyncio.start_server(answer, port=8000) as server:
        await server.serve_forever()


asyncio.run(serve())
'''
BUDGETS = """
version = 1
[images.grows]
limit = "{limit}"
settle = "0s"

[images.grows.workload]
kind = "http"
port = 8000
requests = [{{ path = "/", count = 200, concurrency = 5, connections = 15 }}]
"""


def repository_with(repository: Repository, images: PreparedImages, limit: str) -> None:
    dockerfile = f'FROM {images.service}\nCOPY grows.py /grows.py\nCMD ["python3", "/grows.py"]\n'
    files = {"Dockerfile": dockerfile, "grows.py": GROWS, "budgets.toml": BUDGETS.format(limit=limit)}
    repository.commit("A service that grows", files)


def test_planted_growth_is_found_and_gives_the_size_in_production(
    repository: Repository, clean: None, images: PreparedImages, engine: Engine
) -> None:
    if engine.info.cpus < 2:
        skip_for_want_of("growth with CPUs needs two of them")
    repository_with(repository, images, "256MiB")

    done = membudget_process.run(
        "fidelity", "scaling", "--trials", "2", "--cpus", "8", "--connections", "200", "--format", "json",
        folder=repository.folder,
    )  # fmt: skip

    assert done.exit_code == 0, done.stderr
    (image,) = done.json["images"]
    places = [(point["place"]["cpus"], point["place"]["connections"]) for point in image["points"]]
    assert places[:4] == [(1, 20), (1, 40), (2, 20), (2, 40)]
    assert image["bends"] == []
    assert image["per_cpu"]["low_bytes"] <= 8 * MIB + 64 * KIB
    assert image["per_cpu"]["high_bytes"] >= 8 * MIB
    each = image["per_connection"]
    assert 500 * KIB <= each["value_bytes"] <= 560 * KIB, "and what Python itself needs for a connection"
    planted = image["fixed"]["value_bytes"] + 8 * 8 * MIB + 200 * each["value_bytes"]
    size = image["size"]["peak"]
    assert size["low_bytes"] <= planted <= size["high_bytes"]
    assert size["high_bytes"] - size["low_bytes"] < 40 * MIB


@pytest.mark.parametrize(
    ("limit", "arguments", "code", "said"),
    [
        ("32MiB", ("--loads", "2,100"), 3, "grows was killed with 1 CPU and 100 connections"),
        ("256MiB", ("--at-cpus", "1,1024"), 2, "1024 CPUs cannot be measured: this machine has"),
    ],
)
def test_what_cannot_be_measured_is_told(
    repository: Repository,
    clean: None,
    images: PreparedImages,
    *,
    limit: str,
    arguments: tuple[str, ...],
    code: int,
    said: str,
) -> None:
    repository_with(repository, images, limit)

    done = membudget_process.run("fidelity", "scaling", "--trials", "2", *arguments, folder=repository.folder)

    assert done.exit_code == code, done.stderr
    assert said in " ".join((done.stdout + done.stderr).split())
