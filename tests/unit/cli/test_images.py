"""`inspect` and `diff` of archives and layouts: no engine is needed for those."""

import gzip
import json
from pathlib import Path

import pytest

from membudget.build.sources import Source
from membudget.cli.main import main
from tests.unit.contents.archives import configuration, diff_id, export, file, tar

BASE = tar([file("etc/os", b"d" * 3000)])
OWN = tar([file("app/data", b"a" * 5000), file("var/cache/apt/x", b"c" * 900)])
MORE = tar([file("app/data", b"b" * 9000)])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMBUDGET_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")


def archive(folder: Path, name: str, *layers: bytes) -> str:
    path = folder / name
    path.write_bytes(export([list(layers)]))
    return str(path)


@pytest.mark.thorough
def test_the_json_has_the_metrics_of_measure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", archive(tmp_path, "a.tar", BASE, OWN), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["scheme"] == "docker-archive"
    assert {name: metric["value"] for name, metric in found["metrics"].items()} == {
        "image_size": 8900, "image_download_size": None, "image_waste": 0, "image_layers": 2,
    }  # fmt: skip
    assert found["metrics"]["image_size"]["precision"] == "exact"
    assert [one["kind"] for one in found["contents"]["hints"]] == ["package_cache"]


@pytest.mark.thorough
def test_a_person_sees_layers_folders_and_what_could_be_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["inspect", archive(tmp_path, "a.tar", BASE, OWN)]) == 0
    said = capsys.readouterr().out
    assert "image size" in said
    assert "app  4.9 KiB  1 file" in said
    assert "caches of package managers, like /var/cache/apt/x" in said


@pytest.mark.thorough
def test_a_diff_names_what_grew(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, head = archive(tmp_path, "a.tar", BASE, OWN), archive(tmp_path, "b.tar", BASE, MORE)
    assert main(["diff", base, head]) == 0
    said = capsys.readouterr().out
    assert "/app/data" in said
    assert "1 layer is the same" in said
    assert main(["diff", base, head, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["diff"]["delta_bytes"] == 9000 - 5900
    assert main(["diff", base, base]) == 0
    assert "all 2 layers are the same" in capsys.readouterr().out


@pytest.mark.thorough
def test_brackets_in_names_are_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = tar([file("app/[slug]/[/red]/page.js", b"p" * 9000), file("node_modules/[red]/package.json", b"{}")])
    base, head = archive(tmp_path, "a.tar", BASE), archive(tmp_path, "b.tar", BASE, odd)
    assert main(["inspect", head]) == 0
    assert "app/[slug]/[/red]" in capsys.readouterr().out
    assert main(["diff", base, head]) == 0
    said = capsys.readouterr().out
    assert "/app/[slug]/[/red]/page.js" in said
    assert "npm [red]" in said


@pytest.mark.thorough
def test_an_image_of_a_layout_in_an_archive_by_its_tag(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configuration([BASE])
    layer = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": diff_id(BASE), "size": len(BASE)}
    manifest = json.dumps({"config": {"digest": diff_id(config), "size": len(config)}, "layers": [layer]}).encode()
    name = {"org.opencontainers.image.ref.name": "v1"}
    index = {"manifests": [{"digest": diff_id(manifest), "size": len(manifest), "annotations": name}]}
    blobs = [file(f"blobs/{diff_id(blob).replace(':', '/')}", blob) for blob in (config, manifest, BASE)]
    path = tmp_path / "layout.tar"
    path.write_bytes(tar([*blobs, file("index.json", json.dumps(index).encode())]))
    assert main(["inspect", f"oci-archive:{path}:v1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"]["image_size"]["value"] == 3000
    assert main(["inspect", f"oci-archive:{path}:v2"]) == 3
    assert "the index has no image 'v2'" in capsys.readouterr().err


def test_a_name_too_long_for_a_file_is_an_images() -> None:
    assert Source.of("a" * 300) == Source("docker", "a" * 300)


@pytest.mark.thorough
def test_download_size_of_a_layout_that_is_compressed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "oci.tar"
    path.write_bytes(export([[OWN]], "oci", {OWN: gzip.compress(OWN)}))
    assert main(["inspect", f"docker-archive:{path}", "--json"]) == 0
    download = json.loads(capsys.readouterr().out)["metrics"]["image_download_size"]
    assert (download["value"], download["precision"]) == (len(gzip.compress(OWN)), "exact")


@pytest.mark.parametrize(
    ("image", "code", "said"),
    [
        ("docker-archive:{folder}/gone.tar", 2, "the archive cannot be read: No such file"),
        ("{folder}/text", 3, "not an archive of images"),
        ("oci-dir:{folder}", 2, "not an OCI layout"),
        ("registry:NOT A NAME", 2, "is not the name of an image in a registry"),
        ("{folder}/two.tar", 2, "the archive contains 2 images"),
        ("oci-dir:" + "a" * 300, 2, "not an OCI layout"),
    ],
)
def test_what_is_wrong_is_told_without_a_traceback(
    image: str, code: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_bytes(tar([file("readme", b"hello")]))
    (tmp_path / "two.tar").write_bytes(export([[BASE], [OWN]]))
    assert main(["inspect", image.format(folder=tmp_path)]) == code
    assert said in capsys.readouterr().err
