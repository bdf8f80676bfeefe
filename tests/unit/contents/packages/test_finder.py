"""Packages of every ecosystem, in images made by hand."""

import csv
import io
import json
import sqlite3
import struct
import zipfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from membudget.contents.packages.finder import ArchiveScan, GoScan, Scan, SymbolScan, claims_of, is_wanted
from membudget.contents.packages.package import Ecosystem
from membudget.contents.packages.system import claim_rpm
from tests.unit.contents.archives import file, tar
from tests.unit.contents.stacks import merged, stack

STATUS = b"""Package: libssl3
Status: install ok installed
Version: 3.0.1-1
Description: it
 Version: not this one

Package: coreutils
Version: 9.1
"""


def packages(files: dict[str, bytes]) -> dict[tuple[str, str, str], int]:
    image = merged(tar([file(name, content) for name, content in files.items()]))
    return {(one.ecosystem.value, one.name, one.version): one.file_bytes for one in image.packages}


def test_debian_also_where_lists_name_the_place_before_usr_was_merged() -> None:
    files = {
        "var/lib/dpkg/status": STATUS,
        "var/lib/dpkg/info/libssl3:amd64.list": b"/.\n/lib\n/lib/libssl.so.3\n/usr/share/doc/libssl3\n",
        "usr/lib/libssl.so.3": b"s" * 500,
        "var/lib/dpkg/info/coreutils.list": b"/bin/ls\n/gone\n",
        "bin/ls": b"l" * 70,
    }
    found = packages(files)
    own = len(files["var/lib/dpkg/info/libssl3:amd64.list"])
    assert found["deb", "libssl3", "3.0.1-1"] == 500 + own, "its list is its own, too"
    assert found["deb", "coreutils", "9.1"] == 70 + len(files["var/lib/dpkg/info/coreutils.list"])


def test_a_file_that_debian_diverted_is_at_its_other_place() -> None:
    lists = {
        "var/lib/dpkg/info/bash.list": b"/bin/sh\n",
        "var/lib/dpkg/info/dash.list": b"/bin/sh\n",
        "var/lib/dpkg/info/vim.list": b"/usr/bin/vi\n",
    }
    files = {
        **lists,
        "var/lib/dpkg/diversions": b"/bin/sh\n/bin/sh.distrib\ndash\n/usr/bin/vi\n/usr/bin/vi.old\n:\n/cut\n",
        "bin/sh": b"d" * 100,
        "bin/sh.distrib": b"b" * 30,
        "usr/bin/vi": b"mine" * 10,
        "usr/bin/vi.old": b"v" * 20,
    }
    found = {name: size for (_, name, _), size in packages(files).items()}
    assert found == {"dash": 100 + 8, "bash": 30 + 8, "vim": 20 + 12}


def test_distroless() -> None:
    found = packages(
        {
            "var/lib/dpkg/status.d/base": b"Package: base-files\nVersion: 12\n",
            "var/lib/dpkg/status.d/base-files.md5sums": b"0123  etc/debian_version\n",
            "etc/debian_version": b"12.1",
        }
    )
    assert found["deb", "base-files", "12"] > 4


def test_alpine() -> None:
    database = b"C:Q1\nP:musl\nV:1.2.5-r0\nF:lib\nR:ld-musl.so.1\nF:\nR:top\n\nP:busybox\nV:1\nF:bin\nR:busybox\n"
    files = {"lib/apk/db/installed": database, "lib/ld-musl.so.1": b"m" * 90, "top": b"t", "bin/busybox": b"b" * 40}
    assert packages(files) == {("apk", "musl", "1.2.5-r0"): 91, ("apk", "busybox", "1"): 40}


def test_names_that_are_no_text_can_be_written_down() -> None:
    (name,) = {name for _, name, _ in packages({"var/lib/dpkg/info/caf\udce9.list": b"/x\n", "x": b"x" * 5})}
    assert name == "caf\ufffd"


def rpm_header(name: str, folders: list[str], bases: list[str], indexes: list[int]) -> bytes:
    """A header as rpm keeps it in its database."""
    store, entries = b"", []
    for tag, values in ((1000, [name]), (1001, ["1.0"]), (1002, ["3.fc40"])):
        entries.append((tag, 6, len(store), 1))
        store += b"".join(value.encode() + b"\0" for value in values)
    for tag, values in ((1117, bases), (1118, folders)):
        entries.append((tag, 8, len(store), len(values)))
        store += b"".join(value.encode() + b"\0" for value in values)
    store += bytes(-len(store) % 4)
    entries.append((1116, 4, len(store), len(indexes)))
    store += struct.pack(f">{len(indexes)}I", *indexes)
    index = b"".join(struct.pack(">IIII", *entry) for entry in entries)
    return struct.pack(">II", len(entries), len(store)) + index + store


HEADER = rpm_header("bash", ["/usr/bin/", "/etc/"], ["bash", "sh", "profile"], [0, 0, 1])


def sqlite_database() -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB)")
        connection.executemany("INSERT INTO Packages (blob) VALUES (?)", [(HEADER,), (b"damaged",)])
        connection.commit()
        data: bytes = connection.serialize()
    connection.close()
    return data


def ndb_database() -> bytes:
    slots = b"RpmP" + struct.pack("<III", 0, 1, 1) + bytes(16) + b"Slot" + struct.pack("<III", 1, 256, 1)
    blob = b"BlbS" + struct.pack("<III", 1, 1, len(HEADER)) + HEADER
    return slots.ljust(4096, b"\0") + blob


@pytest.mark.parametrize(
    ("place", "database"),
    [
        ("var/lib/rpm/rpmdb.sqlite", sqlite_database()),
        ("usr/lib/sysimage/rpm/rpmdb.sqlite", sqlite_database()),
        ("usr/lib/sysimage/rpm/Packages.db", ndb_database()),
    ],
)
def test_rpm(place: str, database: bytes) -> None:
    files = {place: database, "usr/bin/bash": b"b" * 900, "usr/bin/sh": b"s", "etc/profile": b"pp"}
    assert packages(files) == {("rpm", "bash", "1.0-3.fc40"): 903}


def test_python_and_what_a_distribution_installed_is_its_own() -> None:
    site = "usr/lib/python3/dist-packages"
    record = io.StringIO()
    csv.writer(record).writerows([["pandas/a,b.py", "", ""], ["../../../bin/tool", "", ""], ["six.py", "", ""]])
    files = {
        f"{site}/pandas-2.0.dist-info/RECORD": record.getvalue().encode(),
        f"{site}/pandas-2.0.dist-info/METADATA": b"Name: Pandas\nVersion: 2.0.1\n\nbody\nName: no\n",
        f"{site}/pandas/a,b.py": b"p" * 300,
        "usr/bin/tool": b"t" * 20,
        f"{site}/six.py": b"6" * 7,
        "var/lib/dpkg/info/python3-six.list": f"/{site}/six.py\n".encode(),
    }
    found = packages(files)
    assert found["python", "Pandas", "2.0.1"] == 320
    assert found["deb", "python3-six", ""] == 7 + len(files["var/lib/dpkg/info/python3-six.list"])


def test_byte_code_is_of_the_package_of_its_source() -> None:
    files = {
        "site/a-1.dist-info/RECORD": b"a/m.py,,\na/b.c.py,,\n",  # uv lists no byte-code
        "site/a/m.py": b"m" * 10,
        "site/a/b.c.py": b"m" * 10,
        "site/a/__pycache__/m.cpython-312.pyc": b"c" * 100,
        "site/a/__pycache__/m.cpython-312.opt-1.pyc": b"c" * 200,
        "site/a/__pycache__/b.c.cpython-312.pyc": b"c" * 400,
        "site/a/__pycache__/other.cpython-312.pyc": b"c" * 800,
        "site/a/__pycache__/m.txt": b"c" * 1600,
        "own/__pycache__/m.cpython-312.pyc": b"c" * 3200,
        "own/m.py": b"mine",
    }
    assert packages(files) == {("python", "a", "1"): 720}


def test_packages_at_the_root() -> None:
    files = {
        "a-1.dist-info/RECORD": b"a/m.py,,\n./a/../n.py,,\n",
        "a/m.py": b"m" * 10,
        "n.py": b"n" * 20,
        "node_modules/b/package.json": b"{}",
        "node_modules/b/x.js": b"x" * 5,
    }
    assert packages(files) == {("python", "a", "1"): 30, ("npm", "b", ""): 7}


def test_eggs_without_a_list_of_files() -> None:
    files = {
        "site/A-1.0-py3.11.egg-info/PKG-INFO": b"Name: a\nVersion: 1.0\n",
        "site/A-1.0-py3.11.egg-info/top_level.txt": b"a\none\n../etc\n..\n\n",
        "site/a/sub/m.py": b"m" * 100,
        "site/a/listed.py": b"l" * 200,
        "site/one.py": b"o" * 400,
        "site/b/x.py": b"other",
        "etc/x": b"other",
        "site/c-2.dist-info/RECORD": b"a/listed.py,,\n",
        "site/D-3.egg-info/top_level.txt": b"b\n",
        "site/D-3.egg-info/installed-files.txt": b"../d.py\n",
        "site/d.py": b"d" * 7,
    }
    information = sum(len(content) for name, content in files.items() if name.startswith("site/A-1.0"))
    assert packages(files) == {
        ("python", "a", "1.0"): 500 + information,
        ("python", "c", "2"): 200,
        ("python", "D", "3"): 7,
    }


def test_npm_packages_within_packages() -> None:
    files = {
        "app/node_modules/a/package.json": b'{"version": "1.0"}',
        "app/node_modules/a/lib/index.js": b"a" * 100,
        "app/node_modules/a/lib/package.json": b"{}",
        "app/node_modules/a/node_modules/@s/b/package.json": b'{"version": 3}',
        "app/node_modules/a/node_modules/@s/b/x.js": b"b" * 50,
        "app/index.js": b"mine",
    }
    assert packages(files) == {("npm", "a", "1.0"): 118 + 2, ("npm", "@s/b", ""): 64}


GO_MAGIC = b"\xff Go buildinf:"
GO_CONSTANTS = (
    bytes(16)
    + (b"." + GO_MAGIC).ljust(64, b".")  # not where the linker would put it
    + (GO_MAGIC + b"\x08\x02").ljust(64, b"~")  # there, but no version follows
    + (GO_MAGIC + b"\x08\x00").ljust(64, b"\0")  # there, of a Go before 1.18
)


def go_binary(modules: str, before: bytes = b"") -> bytes:
    """A Go linker's build information in something that looks like a program."""

    def text(content: bytes) -> bytes:
        length, out = len(content), b""
        while length > 127:
            out, length = out + bytes([length & 127 | 128]), length >> 7
        return out + bytes([length]) + content

    information = b"\xff Go buildinf:" + bytes([8, 2]) + bytes(16)
    information += text(b"go1.22.1") + text(b"<" * 16 + modules.encode() + b">" * 16)
    return b"\x7fELF\2\1" + before.rjust(300_000 - 6, b"\0") + information + bytes(5000)


def test_a_go_binary_and_its_modules() -> None:
    modules = "path\texample.org/cmd\nmod\texample.org\tv1.2.0\th1:x\ndep\tgolang.org/x/net\tv0.1.0\th1:y\n"
    image = merged(tar([file("app/server", go_binary(modules))]))
    (one,) = image.packages
    assert (one.ecosystem, one.name, one.version) == (Ecosystem.GO, "example.org", "v1.2.0")
    assert one.parts == (("golang.org/x/net", "v0.1.0", None),)
    assert one.file_bytes == len(go_binary(modules))


def test_the_magic_as_a_constant_of_a_go_tool_is_not_its_build_information() -> None:
    (one,) = merged(tar([file("go/bin/go", go_binary("path\tcmd/go\n", before=GO_CONSTANTS))])).packages
    assert (one.ecosystem, one.name) == (Ecosystem.GO, "cmd/go")


def test_a_go_module_that_is_replaced_is_the_one_that_replaces_it() -> None:
    modules = (
        "path\tm\nmod\tm\tv1\n=>\tmy/fork\tv7\th1:z\n"
        "dep\ta\tv1\n=>\tb\tv2\th1:x\ndep\tc\tv3\th1:y\ndep\td\tv4\n=>\t./local\t\n=>\tof-nothing\tv9\n"
    )
    (one,) = merged(tar([file("app", go_binary(modules))])).packages
    assert (one.name, one.version) == ("m", "v1")
    assert one.parts == (("b", "v2", None), ("c", "v3", None), ("./local", "", None))


@pytest.mark.thorough
@given(size=st.integers(1, 5000))
def test_build_information_is_found_wherever_the_parts_of_a_file_end(size: int) -> None:
    data = go_binary("path\tx\nmod\tm\tv1\n", before=GO_CONSTANTS)[298_992:]
    scan = GoScan()
    for at in range(0, len(data), size):
        scan.feed(data[at : at + size])
    assert scan.finish()["path"] == "m"


def test_archives_in_a_java_archive() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("BOOT-INF/lib/spring-core-6.1.2.jar", b"s" * 3000)
        archive.writestr("a.class", b"c")
    image = merged(tar([file("app/shop-1.0.jar", stream.getvalue())]))
    (one,) = image.packages
    assert (one.name, one.version, one.parts) == ("shop", "1.0", (("spring-core", "6.1.2", 3000),))


def test_debug_sections_are_added_up() -> None:
    names = b"\0.debug_info\0.text\0"
    body = b"d" * 400_000
    table_at = 64 + len(body) + len(names)
    sections = [(0, 0, 0, 0, 0, 0), (1, 1, 0, 0, 64, 300_000), (13, 1, 0, 0, 64, 5), (0, 3, 0, 0, 64 + len(body), 19)]
    table = b"".join(struct.pack("<IIQQQQ", *one).ljust(64, b"\0") for one in sections)
    head = bytearray(b"\x7fELF\2\1".ljust(64, b"\0"))
    struct.pack_into("<Q", head, 40, table_at)
    struct.pack_into("<HHH", head, 58, 64, len(sections), 3)
    program = bytes(head) + body + names + table
    image = merged(tar([file("usr/bin/x", program)]))
    assert image.facts["usr/bin/x"] == {"debug_bytes": 300_000}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("var/lib/dpkg/status", True),
        ("srv/var/lib/dpkg/status", False),
        ("node_modules/a/package.json", True),
        ("x_node_modules/a/package.json", False),
        ("a/node_modules/@s/b/package.json", True),
        ("a/node_modules/b/test/package.json", False),
        ("x/y.dist-info/RECORD", True),
        ("x/RECORD", False),
        ("a.list", False),
        ("var/lib/dpkg/diversions", True),
        ("x/y.egg-info/top_level.txt", True),
        ("x/y.dist-info/top_level.txt", False),
    ],
)
def test_what_is_kept_of_a_layer(path: str, wanted: object) -> None:
    assert is_wanted(path, 100) is wanted
    assert not is_wanted(path, 1 << 30)


DOCUMENTS = st.sampled_from(
    ["var/lib/dpkg/status", "var/lib/dpkg/info/a.list", "lib/apk/db/installed", "var/lib/rpm/rpmdb.sqlite",
     "var/lib/rpm/Packages.db", "s/a.dist-info/RECORD", "s/a.dist-info/METADATA", "node_modules/a/package.json"]
)  # fmt: skip


@pytest.mark.thorough
@settings(max_examples=200, deadline=None)
@given(documents=st.dictionaries(DOCUMENTS, st.binary(max_size=300), max_size=4), damage=st.integers(0, 8000))
@example(documents={}, damage=4017)  # SQLite quotes the damage in a message that is no UTF-8
def test_whatever_documents_hold_nothing_is_raised(documents: dict[str, bytes], damage: int) -> None:
    claims = claims_of(documents, {"a": [], "b": {"kind": "go", "modules": 3}, "c": {"kind": "java"}}, stack())
    assert claims.summed() == (), "no package has bytes in an image without files"
    for database in (sqlite_database(), ndb_database()):
        broken = bytearray(database)
        broken[damage : damage + 4] = b"\xff\xfe\x01\x80"
        claim_rpm({"var/lib/rpm/rpmdb.sqlite": bytes(broken), "var/lib/rpm/Packages.db": bytes(broken)}, claims)
        assert claims.summed() == ()


@pytest.mark.thorough
@settings(max_examples=200, deadline=None)
@given(
    data=st.binary(max_size=2000), begin=st.sampled_from([b"", b"\x7fELF\2\1", b"PK\3\4", b"\xff Go buildinf:\x08\x02"])
)
def test_whatever_a_file_holds_nothing_is_raised(data: bytes, begin: bytes) -> None:
    scans: list[Scan] = [GoScan(), SymbolScan(len(begin + data)), ArchiveScan(len(begin + data))]
    for scan in scans:
        scan.feed(begin + data)
        found = scan.finish()
        assert json.loads(json.dumps(found)) == found, "the cache keeps it"
