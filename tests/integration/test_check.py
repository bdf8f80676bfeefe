"""`membudget check` on git repositories, from the budgets file to the exit code."""

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from membudget.core.files import DEFAULT_REPORT
from membudget.core.quantities import MIB
from membudget.engine.connection import Engine
from tests.support.awaited import running_trials
from tests.support.membudget_process import finish, run, start
from tests.support.missing import skip_for_want_of
from tests.support.prepared_images import PreparedImages
from tests.support.repository import Repository

# 5 MiB of growth are too much, and 40 MiB in all.
BUDGETS = """\
version = 1
[defaults]
limit = "64MiB"
trials = 2
[defaults.budgets]
peak_rss = { max = "40MiB", growth = { percent = 5, floor = "5MiB" } }
"""
QUICKER = BUDGETS.replace("trials = 2", "trials = 1")
"""For what does not depend on how often an image ran."""
IMAGE = '[images.%s]\nbuild = { context = "%s" }\n'


def holding(images: PreparedImages, mib: int, held_ms: int = 400) -> str:
    """A Dockerfile whose image holds so many MiB, for long enough to be seen on a busy machine."""
    return f'FROM {images.truth}\nCMD ["{mib}", "0", "{held_ms}", "1", "0"]\n'


def report(repository: Repository) -> Any:
    return json.loads((repository.folder / DEFAULT_REPORT).read_text())


def rows(document: Any) -> dict[str, Any]:
    return {image["name"]: image for image in document["images"]}


def metric(side: Any, name: str) -> Any:
    return side["metrics"][name]["value"]


def test_new_removed_same_grown_and_broken_images_each_get_their_row(
    repository: Repository, images: PreparedImages
) -> None:
    same, gone = IMAGE % ("same", "same"), IMAGE % ("gone", "gone")
    grown, broken = IMAGE % ("grown", "grown"), IMAGE % ("broken", "broken")
    base = repository.commit(
        "Base",
        {
            "budgets.toml": QUICKER + same + gone + grown + broken,
            "same/Dockerfile": holding(images, 20),
            "gone/Dockerfile": holding(images, 20),
            "grown/Dockerfile": holding(images, 20),
            "broken/Dockerfile": holding(images, 20),
        },
    )
    repository.branch("change")
    head = repository.commit(
        "Head",
        {
            "budgets.toml": QUICKER + same + grown + broken + IMAGE % ("new", "new"),
            "grown/Dockerfile": holding(images, 30),
            "broken/Dockerfile": f'FROM {images.service}\nRUN echo "the reason" && exit 5\n',
            "new/Dockerfile": holding(images, 21),
        },
    )

    done = run("check", "-v", folder=repository.folder)

    assert done.exit_code == 1, done.stderr
    document = report(repository)
    assert document["comparison"]["head"]["sha"] == head
    assert document["comparison"]["base"]["sha"] == base
    images_by_name = rows(document)
    assert {name: image["presence"] for name, image in images_by_name.items()} == {
        "same": "both", "grown": "both", "broken": "both", "new": "new", "gone": "removed",
    }  # fmt: skip
    assert metric(images_by_name["grown"]["head"], "peak_rss") == pytest.approx(30 * MIB, rel=0.02)
    assert metric(images_by_name["grown"]["base"], "peak_rss") == pytest.approx(20 * MIB, rel=0.03)
    assert metric(images_by_name["grown"]["head"], "image_size") == metric(images_by_name["same"]["base"], "image_size")
    assert images_by_name["broken"]["head"]["failure"]["stage"] == "build"
    assert any("the reason" in line for line in images_by_name["broken"]["head"]["failure"]["log_tail"])
    assert len(images_by_name["same"]["head"]["trials"]) == 1
    assert document["verdict"] == "fail"
    for words in ("over budget", "new", "removed", "build failed"):
        assert words in done.stdout


def test_without_a_base_there_are_absolute_budgets_only(repository: Repository, images: PreparedImages) -> None:
    repository.commit("First", {"budgets.toml": QUICKER + IMAGE % ("api", "."), "Dockerfile": holding(images, 20)})
    first = run("check", folder=repository.folder)
    assert first.exit_code == 0, first.stderr
    assert "this is the first commit" in first.stdout
    assert rows(report(repository))["api"]["base"] is None

    repository.commit("Second", {"Dockerfile": holding(images, 30)})
    asked = run("check", "--no-base", folder=repository.folder)
    assert asked.exit_code == 0, asked.stderr  # 10 MiB of growth, were there a base
    assert "--no-base was given" in asked.stdout
    assert re.search(r"^api +30\.\d MiB +64\.0 MiB +3\d\.\d MiB \(5\d(\.\d)?%\)$", asked.stdout, flags=re.MULTILINE)
    assert re.search(r"^- api: (at the peak|near the peak|closest look)", asked.stdout, flags=re.MULTILINE)
    assert "membudget check --base REV" in asked.stdout

    repository.commit("Third", {"Dockerfile": holding(images, 50)})
    over = run("check", "--no-base", "--format", "json", folder=repository.folder)
    assert over.exit_code == 1, over.stderr
    assert (over.json["verdict"], over.json["images"][0]["name"]) == ("fail", "api")
    assert "trial 1 of" in over.stderr


def test_images_measured_side_by_side_get_the_same_verdicts(
    engine: Engine, repository: Repository, images: PreparedImages
) -> None:
    files = {
        "budgets.toml": QUICKER.replace("trials = 1", "trials = 1\ncontainer = { cpus = 1 }")
        + IMAGE % ("small", "small")
        + IMAGE % ("large", "large"),
        "small/Dockerfile": holding(images, 20, 2000),  # for longer than one takes to start after the other
        "large/Dockerfile": holding(images, 50, 2000),
    }
    repository.commit("First", files)
    answers = {}
    for jobs, asked in ((1, ["--jobs", "1"]), (2, [])):
        process = start("check", *asked, folder=repository.folder)
        most = 0
        while process.poll() is None:
            most = max(most, len(running_trials(engine, process.pid)))
            time.sleep(0.1)
        done = finish(process)
        assert done.exit_code == 1, done.stderr
        assert most == jobs
        document = report(repository)
        assert document["environment"]["jobs"] == jobs
        found = {name: metric(image["head"], "peak_rss") for name, image in rows(document).items()}
        assert found == {"small": pytest.approx(20 * MIB, rel=0.03), "large": pytest.approx(50 * MIB, rel=0.03)}
        answers[jobs] = [re.sub(r"\d", "", line) for line in done.stdout.splitlines() if "over budget" in line]
    assert answers[1] == answers[2] != []


def test_a_workload_that_fails_is_no_memory_verdict(repository: Repository, images: PreparedImages) -> None:
    files = {
        "budgets.toml": QUICKER + IMAGE % ("api", "."),
        "Dockerfile": f'FROM {images.service}\nCMD ["sh", "-c", "echo no database >&2; exit 6"]\n',
    }
    repository.commit("First", files)

    done = run("check", folder=repository.folder)

    assert done.exit_code == 3
    assert "workload failed" in done.stdout
    assert "no database" in done.stdout
    assert report(repository)["verdict"] == "inconclusive"


def test_what_the_budgets_file_builds_is_built(repository: Repository, images: PreparedImages) -> None:
    """BuildKit's mounts, a target, build arguments, a Dockerfile elsewhere, a context below the top."""
    budgets = """
[images.api]
build = { context = "service", dockerfile = "docker/api.Dockerfile", target = "middle", args = { MIB = "25" } }
"""
    dockerfile = f"""
FROM {images.service} AS builder
RUN --mount=type=cache,target=/cache --mount=type=bind,source=data,target=/data cp /data/message /message
FROM {images.truth} AS middle
ARG MIB=1
COPY --from=builder /message /message
ENV MIB=$MIB
CMD ["20", "5", "100", "1", "0"]
FROM middle AS last
CMD ["no such argument"]
"""
    repository.commit(
        "First",
        {
            "budgets.toml": QUICKER + budgets,
            "service/docker/api.Dockerfile": dockerfile,
            "service/data/message": "x" * 70_000,
        },
    )

    done = run("check", folder=repository.folder)

    assert done.exit_code == 0, done.stderr
    head = rows(report(repository))["api"]["head"]
    assert metric(head, "peak_rss") == pytest.approx(25 * MIB, rel=0.02)
    assert metric(head, "image_size") > 70_000


def test_uncommitted_changes_are_not_built_and_that_is_said(repository: Repository, images: PreparedImages) -> None:
    repository.commit("First", {"budgets.toml": QUICKER + IMAGE % ("api", "."), "Dockerfile": holding(images, 20)})
    repository.write({"Dockerfile": holding(images, 60)})

    done = run("check", folder=repository.folder)

    assert done.exit_code == 0, done.stderr
    assert "uncommitted changes, but membudget built the version of HEAD" in done.stdout + done.stderr


def test_a_shallow_clone_is_told_the_line_to_add(
    repository: Repository, images: PreparedImages, tmp_path: Path
) -> None:
    files = {"budgets.toml": BUDGETS + IMAGE % ("api", "."), "Dockerfile": holding(images, 20)}
    repository.commit("First", files)
    repository.commit("Second", {"other": "x"})
    shallow = tmp_path / "shallow"
    repository.git("clone", "--quiet", "--depth=1", f"file://{repository.folder}", str(shallow))

    done = run("check", folder=shallow)

    assert done.exit_code == 2
    assert "`fetch-depth: 2`" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_workspace_of_another_user_works(repository: Repository, images: PreparedImages) -> None:
    if os.geteuid() != 0:
        skip_for_want_of("only root can give a folder away")
    repository.commit("First", {"budgets.toml": QUICKER + IMAGE % ("api", "."), "Dockerfile": holding(images, 20)})
    subprocess.run(["chown", "--recursive", "1234:1234", str(repository.folder)], check=True)

    done = run("check", folder=repository.folder, environ={"HOME": "/nonexistent"})

    assert done.exit_code == 0, done.stderr


def test_every_problem_of_a_budgets_file_is_told_at_once(repository: Repository) -> None:
    broken = """\
version = 1
[defaults]
limit = "4MiB"
[images.api]
limitt = "64MiB"
[images.web]
build = { context = "nowhere" }
limit = "64m"
[images.db]
"""
    repository.commit("First", {"budgets.toml": broken, "Dockerfile": "FROM scratch\n"})

    done = run("check", folder=repository.folder)

    assert done.exit_code == 2
    for words in ("limitt", "64m", "nowhere", "4.0 MiB", "problems in the budgets file"):
        assert words in done.stderr
    assert not (repository.folder / DEFAULT_REPORT).exists()


def test_a_check_leaves_nothing_in_the_work_tree_that_git_would_add(
    repository: Repository, images: PreparedImages
) -> None:
    files = {"budgets.toml": QUICKER + IMAGE % ("api", "."), "Dockerfile": holding(images, 20)}
    repository.commit("Base", files)
    repository.branch("change")
    repository.commit("Head", {"Dockerfile": holding(images, 21)})

    assert run("check", folder=repository.folder).exit_code == 0

    assert repository.git("status", "--porcelain", "--ignored") == "!! .membudget/"
    repository.git("add", "--all")
    assert repository.git("diff", "--cached", "--name-only") == ""
    assert repository.git("worktree", "list", "--porcelain").count("worktree ") == 1
    assert list((repository.folder / ".git").glob("worktrees/*")) == []
    again = run("report", folder=repository.folder)
    assert again.exit_code == 0, again.stderr
    assert "1 image within budget" in again.stdout


def test_outside_of_a_repository_and_without_a_file_it_says_what_to_do(tmp_path: Path, repository: Repository) -> None:
    outside = run("check", folder=tmp_path)
    assert outside.exit_code == 2
    assert "is not in a git repository" in outside.stderr

    repository.commit("Empty")
    without = run("check", folder=repository.folder)
    assert without.exit_code == 2
    assert "budgets.toml" in without.stderr


def test_what_did_not_change_is_neither_built_nor_run(
    repository: Repository, images: PreparedImages, tmp_path: Path
) -> None:
    """By its files, by its image, by what was measured before: in this order."""
    environ = {"MEMBUDGET_CACHE_DIR": str(tmp_path / "cache")}
    names = ("files", "image", "grown")
    files = {f"{name}/Dockerfile": holding(images, 20) for name in names}
    repository.commit("Base", {"budgets.toml": QUICKER + "".join(IMAGE % (name, name) for name in names), **files})
    repository.branch("change")
    repository.commit(
        "Head", {"image/Dockerfile": f"# a remark\n{holding(images, 20)}", "grown/Dockerfile": holding(images, 22)}
    )

    done = run("check", "-v", folder=repository.folder, environ=environ)
    assert done.exit_code == 0, done.stderr + done.stdout
    first = rows(report(repository))
    assert [first[name]["is_unchanged"] for name in names] == [True, True, False]
    assert first["files"]["head"]["image_id"] is None
    assert first["image"]["head"]["image_id"] == first["image"]["base"]["image_id"]
    assert first["image"]["head"]["trials"] == []
    assert "files:" not in done.stderr
    assert done.stdout.count("unchanged") >= 2
    assert "trial" in done.stderr

    again = run("check", folder=repository.folder, environ=environ)
    assert again.exit_code == 0, again.stderr
    assert "trial" not in again.stderr
    second = rows(report(repository))
    assert second["grown"]["head"]["trials"] == first["grown"]["head"]["trials"]

    for file in (tmp_path / "cache" / "results").iterdir():
        file.write_bytes(file.read_bytes()[:-100])
    damaged = run("check", folder=repository.folder, environ=environ)
    assert damaged.exit_code == 0, damaged.stderr
    assert damaged.stderr.count("remembered results are ignored") == 1  # of two images: told once
    assert "trial" in damaged.stderr


def test_a_pull_request_cannot_loosen_its_budgets_without_the_label(
    repository: Repository, images: PreparedImages, tmp_path: Path
) -> None:
    text = QUICKER + IMAGE % ("api", ".")
    base = repository.commit("Base", {"budgets.toml": text, "Dockerfile": holding(images, 20)})
    repository.branch("change")
    looser = text.replace('max = "40MiB"', 'max = "50MiB"')
    assert looser != text
    head = repository.commit("Head", {"budgets.toml": looser, "Dockerfile": holding(images, 21)})
    event = {"number": 1, "base": {"sha": base}, "head": {"sha": head}}
    for labels, exit_code, status in (([], 1, "not approved"), (["memory-budget-approved"], 0, "approved")):
        event["labels"] = [{"name": label} for label in labels]
        path = tmp_path / "event.json"
        labelled = (
            {"action": "labeled", "label": {"name": "memory-budget-approved"}} if labels else {"action": "opened"}
        )
        path.write_text(json.dumps({**labelled, "pull_request": event}))
        environ = {"GITHUB_EVENT_PATH": str(path), "GITHUB_EVENT_NAME": "pull_request", "GITHUB_REPOSITORY": "a/b"}
        done = run("check", folder=repository.folder, environ=environ)
        assert done.exit_code == exit_code, done.stdout + done.stderr
        assert status in done.stdout
        assert "loosened" in done.stdout
        counts = rows(report(repository))["api"]["budgets"]["peak_rss"]["max"]
        assert counts == (50 if labels else 40) * MIB
    local = run("check", folder=repository.folder)
    assert local.exit_code == 1, local.stderr
    assert "not approved" in local.stdout
    approved = run("check", "--approved", folder=repository.folder)
    assert approved.exit_code == 0, approved.stderr
    assert "loosened" in approved.stdout


def as_pull_request(folder: Path, base: str, head: str) -> dict[str, str]:
    """The environment of a step in a workflow that a pull request started."""
    path = folder / "event.json"
    path.write_text(json.dumps({"pull_request": {"number": 1, "base": {"sha": base}, "head": {"sha": head}}}))
    return {"GITHUB_EVENT_PATH": str(path), "GITHUB_EVENT_NAME": "pull_request", "GITHUB_REPOSITORY": "a/b"}


def as_merge_queue(folder: Path, base: str, head: str) -> dict[str, str]:
    """The environment of a step in a workflow that a merge queue started."""
    path = folder / "event.json"
    path.write_text(json.dumps({"merge_group": {"base_sha": base, "head_sha": head}}))
    return {"GITHUB_EVENT_PATH": str(path), "GITHUB_EVENT_NAME": "merge_group", "GITHUB_REPOSITORY": "a/b"}


def forge_trials(cache: Path, factor: float) -> None:
    """Rewrite what a cache remembers: every trial took so much of its memory."""
    for file in (cache / "results").iterdir():
        document = json.loads(file.read_text())
        for one in document["trials"]:
            for reading in one["metrics"].values():
                if reading["unit"] == "bytes" and reading["value"] is not None:
                    reading.update(value=round(reading["value"] * factor), at_most=None)
        file.write_text(json.dumps(document))


def forge_sizes(cache: Path) -> None:
    """Rewrite what a cache says that layers hold: nothing."""
    for file in cache.glob("layers-*/*.layer"):
        head, _, rest = file.read_bytes().partition(b"\n")
        file.write_bytes(json.dumps({**json.loads(head), "file_bytes": 0}).encode() + b"\n" + rest)


def test_a_pull_request_cannot_pass_by_what_its_cache_holds(
    repository: Repository, images: PreparedImages, tmp_path: Path
) -> None:
    """Each kind of cached figure is forged; on a branch that holds what was merged the forged figures are believed."""
    cache = tmp_path / "cache"
    text = QUICKER + 'image_size = { max = "1KiB" }\n' + IMAGE % ("api", ".")
    base = repository.commit("Base", {"budgets.toml": text, "Dockerfile": holding(images, 20)})
    repository.branch("change")
    head = repository.commit("Head", {"Dockerfile": holding(images, 50)})
    environ = {"MEMBUDGET_CACHE_DIR": str(cache)}

    honest = run("check", folder=repository.folder, environ=environ)
    assert honest.exit_code == 1, honest.stderr
    true = {name: metric(rows(report(repository))["api"]["head"], name) for name in ("image_size", "peak_rss")}
    forge_trials(cache, 0.1)
    forge_sizes(cache)
    believed = run("check", folder=repository.folder, environ=environ)
    assert believed.exit_code == 0, believed.stdout
    assert metric(rows(report(repository))["api"]["head"], "image_size") == 0

    for event in (as_pull_request, as_merge_queue):
        copied = tmp_path / event.__name__
        shutil.copytree(cache, copied)
        kept = {"MEMBUDGET_CACHE_DIR": str(copied)}

        done = run("check", folder=repository.folder, environ=kept | event(tmp_path, base, head))

        assert done.exit_code == 1, done.stdout
        api = rows(report(repository))["api"]
        assert metric(api["head"], "image_size") == true["image_size"] > 1024
        assert metric(api["head"], "peak_rss") == pytest.approx(true["peak_rss"], rel=0.05)
        assert any("membudget discarded the remembered trials" in note for note in api["notes"])
        assert "membudget discarded the remembered trials" in done.stdout
    again = run("check", folder=repository.folder, environ=kept)
    assert metric(rows(report(repository))["api"]["head"], "peak_rss") == pytest.approx(true["peak_rss"], rel=0.05)
    assert again.exit_code == 1, "what was forged is gone"


def test_a_pull_request_uses_what_a_fresh_trial_confirms(
    repository: Repository, images: PreparedImages, tmp_path: Path
) -> None:
    text = BUDGETS + IMAGE % ("api", ".")
    base = repository.commit("Base", {"budgets.toml": text, "Dockerfile": holding(images, 20)})
    repository.branch("change")
    head = repository.commit("Head", {"Dockerfile": holding(images, 21)})
    environ = {"MEMBUDGET_CACHE_DIR": str(tmp_path / "cache"), **as_pull_request(tmp_path, base, head)}
    assert run("check", folder=repository.folder, environ=environ).exit_code == 0
    layers = [path for path in (tmp_path / "cache").rglob("*") if path.suffix in (".layer", ".image")]
    assert layers == [], "what an image holds is remembered for this run alone"

    again = run("check", folder=repository.folder, environ=environ)

    assert again.exit_code == 0, again.stdout
    api = rows(report(repository))["api"]
    assert [len(api[side]["trials"]) for side in ("base", "head")] == [3, 3], "two remembered, one fresh"
    assert not any("remembered" in note for note in api["notes"])
    assert again.stderr.count("trial to confirm cached results") == 2


def test_parts_of_a_check_make_one_report(repository: Repository, images: PreparedImages) -> None:
    names = ("one", "two", "three")
    files = {f"{name}/Dockerfile": holding(images, 20) for name in names}
    repository.commit("Base", {"budgets.toml": QUICKER + "".join(IMAGE % (name, name) for name in names), **files})
    repository.branch("change")
    repository.commit("Head", {"two/Dockerfile": holding(images, 30)})

    plan = run("plan", "--shards", "2", folder=repository.folder)
    assert [job["shard"] for job in plan.json["include"]] == ["1/2", "2/2"]
    codes = []
    for job in plan.json["include"]:
        only = [word for name in job["images"].split() for word in ("--image", name)]
        path = f"parts/{job['shard'][0]}/report.json"
        codes.append(run("check", "--shard", job["shard"], *only, "--report", path, folder=repository.folder).exit_code)
    assert sorted(codes) == [0, 1]

    merged = run("merge", "parts", folder=repository.folder)
    assert merged.exit_code == 1, merged.stderr
    document = report(repository)
    assert set(rows(document)) == set(names)
    assert "1 of 3 images over budget" in merged.stdout

    alone = run("merge", "parts/1", "--report", "alone.json", folder=repository.folder)
    assert "shard 2 is missing" in alone.stdout
    assert alone.exit_code in (1, 3)
    broken = run("merge", "parts", "parts/1/report.json", "--report", "x.json", folder=repository.folder)
    assert broken.exit_code in (1, 3)  # the same file twice is one file
