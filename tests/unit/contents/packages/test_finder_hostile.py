"""Package databases that were made to cost their reader time or memory."""

import sqlite3
import struct
import tracemalloc

import pytest

from membudget.contents.layer_stack import LayerStack
from membudget.contents.packages import system
from membudget.contents.packages.finder import claims_of
from membudget.contents.packages.package import Claims, PackageId
from membudget.contents.packages.system import claim_rpm
from tests.unit.contents.archives import file, tar
from tests.unit.contents.packages.test_finder import HEADER, rpm_header
from tests.unit.contents.stacks import merged, stack

_ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x AS blob FROM n WHERE x < 0"
_MIB = 1 << 20


def sqlite_of(*statements: str, rows: tuple[bytes, ...] = ()) -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("PRAGMA writable_schema = ON")
        for statement in statements:
            connection.execute(statement)
        for row in rows:
            connection.execute("INSERT INTO Packages (blob) VALUES (?)", (row,))
        connection.commit()
        data: bytes = connection.serialize()
    connection.close()
    return data


class _NamedPackages(Claims):
    """Claims that tell which packages were named."""

    def __init__(self, files: LayerStack) -> None:
        super().__init__(files)
        self.names: list[str] = []

    def package(self, name: PackageId, parts: tuple[tuple[str, str, int | None], ...] = ()) -> int:
        self.names.append(name.name)
        return super().package(name, parts)


def rpm_names(database: bytes, name: str = "rpmdb.sqlite") -> tuple[list[str], int]:
    """Packages found in a database, and the most bytes that it took."""
    claims = _NamedPackages(stack())
    tracemalloc.start()
    claim_rpm({f"var/lib/rpm/{name}": database}, claims)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return claims.names, peak


@pytest.mark.parametrize(
    "statements",
    [
        (f"CREATE VIEW Packages AS {_ENDLESS}",),
        ("CREATE VIEW Packages AS SELECT zeroblob(999999999) AS blob",),
        ("CREATE TABLE Packages (a, blob AS (zeroblob(999999999)))", "INSERT INTO Packages (a) VALUES (1)"),
        # a view that its schema says is a table
        (
            f"CREATE VIEW Packages AS {_ENDLESS}",
            "UPDATE sqlite_master SET type = 'table', rootpage = 1 WHERE name = 'Packages'",
        ),
        # a table for looks, and the view under its name
        (
            "CREATE TABLE Other (blob)",
            f"CREATE VIEW Packages AS {_ENDLESS}",
            "UPDATE sqlite_master SET name = 'x' WHERE name = 'Packages'",
            "UPDATE sqlite_master SET name = 'Packages', tbl_name = 'Packages' WHERE name = 'Other'",
        ),
    ],
)
def test_what_a_database_calls_packages_is_never_run(statements: tuple[str, ...]) -> None:
    names, peak = rpm_names(sqlite_of(*statements))
    assert names == []
    assert peak < _MIB


def test_a_table_of_very_many_rows_is_read_for_so_long(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = sqlite_of("CREATE TABLE Packages (blob BLOB)", rows=(HEADER,) * 50)
    no_headers = sqlite_of("CREATE TABLE Packages (blob)", *["INSERT INTO Packages VALUES (7)"] * 5000, rows=(HEADER,))
    assert len(rpm_names(rows)[0]) == 50
    assert rpm_names(no_headers)[0] == ["bash"]
    monkeypatch.setattr(system, "_MOST_STEPS", 5000)
    assert rpm_names(no_headers)[0] == [], "rows that hold no header take steps all the same"
    monkeypatch.setattr(system, "_MOST_PACKAGES", 10)
    assert len(rpm_names(rows)[0]) == 10


def test_slots_that_all_lead_to_one_block_give_no_more_than_the_database_has() -> None:
    big = HEADER + bytes(4 * _MIB)
    slots = b"RpmP" + struct.pack("<III", 0, 4, 1) + bytes(16)
    slots += b"".join(b"Slot" + struct.pack("<III", number, 1024, 1) for number in range(1, 1000))
    database = slots.ljust(4 * 4096, b"\0") + b"BlbS" + struct.pack("<III", 1, 1, len(big)) + big
    names, peak = rpm_names(database, "Packages.db")
    assert names == ["bash"]
    assert peak < 3 * len(database)


@pytest.mark.thorough
def test_a_package_of_millions_of_files_without_a_name() -> None:
    header = rpm_header("many", ["/"], [""] * 2_000_000, [0])
    database = sqlite_of("CREATE TABLE Packages (blob BLOB)", rows=(header,))
    assert rpm_names(database)[1] < 6 * len(header)


def test_one_long_folder_of_very_many_files(monkeypatch: pytest.MonkeyPatch) -> None:
    header = rpm_header("long", ["f" * _MIB], ["b"] * 20_000, [0] * 20_000)
    finds: list[str] = []
    claims = claims_of({}, {}, stack())
    monkeypatch.setattr(claims, "claim", lambda _, path: finds.append(path))
    database = sqlite_of("CREATE TABLE Packages (blob BLOB)", rows=(header,))
    claim_rpm({"var/lib/rpm/rpmdb.sqlite": database}, claims)
    assert sum(map(len, finds)) <= 4 * len(header)


@pytest.mark.thorough
def test_packages_within_packages_are_walked_once() -> None:
    depth = 200
    folders = ["/".join(["node_modules/p"] * number) for number in range(1, depth + 1)]
    archive = tar([file(f"{folder}/{name}", b"{}") for folder in folders for name in ("package.json", "x.js")])
    image = merged(archive)
    owners = [image.claims.owner(number) for number in range(image.stack.content_count)]
    assert [owner.folder for owner in owners[1::2] if owner is not None][:20] == folders[:20]
    asked: list[str] = []

    class Folders(dict[str, int]):
        def get(self, key: str, default: int = -1) -> int:  # type: ignore[override] # counts what is asked for
            asked.append(key)
            return super().get(key, default)

    image.claims.claim_folders(Folders(dict.fromkeys(folders, 0)))
    assert len(asked) <= 2 * depth + 1
