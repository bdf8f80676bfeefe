"""The history in a real git repository. Pushes go through git's own HTTP server."""

import subprocess
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from membudget.build.git import GitRepository
from membudget.build.git_history import _MOST_WAITS, GitHistory
from membudget.build.git_remote import Credentials
from membudget.build.history_place import DEFAULT_PLACE, HistoryPlace, parse_place
from membudget.core.errors import EnvironmentFault
from tests.support.git_server import bare_repository, git_server
from tests.support.history import clone, line, text
from tests.support.repository import Repository

pytestmark = pytest.mark.thorough
MOST = 1_000_000
BRANCH = parse_place("branch:memory")
TOKEN = SecretStr("ghs_planted_secret")
LOGIN = "eC1hY2Nlc3MtdG9rZW46Z2hzX3BsYW50ZWRfc2VjcmV0"
"""x-access-token:ghs_planted_secret"""


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with three commits to be cloned."""
    bare = bare_repository(tmp_path / "origin.git")
    first = Repository.new(tmp_path / "first")
    for number in range(3):
        first.commit(f"commit {number}", {"file": str(number)})
    first.git("push", "--quiet", str(bare), "HEAD:main")
    return bare


def commits(repository: Repository) -> list[str]:
    """The commits, newest first."""
    return repository.git("rev-list", "HEAD").split()


def history(repository: Repository, place: HistoryPlace = DEFAULT_PLACE) -> GitHistory:
    return GitHistory(GitRepository(repository.folder), place, sleep=lambda _: None)


def kept(store: GitHistory) -> dict[str, bytes | None]:
    return {note.commit: note.data for note in store.notes(None, MOST)}


@pytest.mark.parametrize("place", [DEFAULT_PLACE, BRANCH])
def test_pushed_lines_are_seen_in_another_clone(origin: Path, tmp_path: Path, place: HistoryPlace) -> None:
    one, other = clone(str(origin), tmp_path / "one"), clone(str(origin), tmp_path / "other")
    sha = commits(one)[0]
    assert history(one, place).push({sha: text(line(sha))}) == 1
    seen = history(other, place)
    assert kept(seen) == {}
    assert seen.fetch()
    assert kept(seen) == {sha: text(line(sha))}


@pytest.mark.parametrize("place", [DEFAULT_PLACE, BRANCH])
def test_a_faster_push_loses_nothing(origin: Path, tmp_path: Path, place: HistoryPlace) -> None:
    one, other = clone(str(origin), tmp_path / "one"), clone(str(origin), tmp_path / "other")
    sha = commits(one)[0]
    slow, fast = history(one, place), history(other, place)
    begin = slow._committed

    def pushed_meanwhile(tip: str | None, files: dict[str, bytes]) -> str:
        slow._committed = begin  # type: ignore[method-assign]
        fast.push({sha: text(line(sha, 41))})
        return begin(tip, files)

    slow._committed = pushed_meanwhile  # type: ignore[assignment, method-assign]
    assert slow.push({sha: text(line(sha, 40))}) == 2
    assert kept(slow) == {sha: text(*sorted((line(sha, 40), line(sha, 41)), key=lambda one: one.text()))}


def test_git_itself_shows_the_notes(origin: Path, tmp_path: Path) -> None:
    one = clone(str(origin), tmp_path / "one")
    sha = commits(one)[0]
    history(one).append({sha: text(line(sha))})
    assert '"image":"api"' in one.git("log", "-1", "--notes=membudget", sha)
    assert one.git("status", "--porcelain") == ""
    assert "refs/membudget/pending" not in one.git("for-each-ref")


def test_nothing_is_pushed_when_the_lines_are_there(origin: Path, tmp_path: Path) -> None:
    store = history(one := clone(str(origin), tmp_path / "one"))
    sha = commits(one)[0]
    store.push({sha: text(line(sha))})
    assert store.push({sha: text(line(sha))}) == 0


def test_lines_of_this_clone_and_of_the_remote_are_read_together(origin: Path, tmp_path: Path) -> None:
    store = history(one := clone(str(origin), tmp_path / "one"))
    first, second, _ = commits(one)
    store.push({first: text(line(first, 40))})
    store.append({first: text(line(first, 41)), second: text(line(second))})
    assert set(kept(store)) == {first, second}
    assert (kept(store)[first] or b"").count(b"\n") == 2
    assert store.unpushed(MOST) == {first: text(line(first, 41)), second: text(line(second))}


def test_a_history_that_was_removed_at_the_remote_is_not_shown_any_more(origin: Path, tmp_path: Path) -> None:
    store = history(one := clone(str(origin), tmp_path / "one"))
    sha = commits(one)[0]
    store.push({sha: text(line(sha))})
    subprocess.run(["git", "-C", str(origin), "update-ref", "-d", DEFAULT_PLACE.name], check=True)
    assert not store.fetch()
    assert kept(store) == {}


def test_a_note_that_is_too_large_is_named_and_not_read(origin: Path, tmp_path: Path) -> None:
    store = history(one := clone(str(origin), tmp_path / "one"))
    first, second, _ = commits(one)
    store.append({first: b"x" * 5_000 + b"\n", second: text(line(second))})
    found = {note.commit: note.data for note in store.notes([first, second], 4_000)}
    assert found == {first: None, second: text(line(second))}


def test_thousands_of_notes_are_read_by_two_processes_in_the_order_asked(origin: Path, tmp_path: Path) -> None:
    one = clone(str(origin), tmp_path / "one")
    stream = b"".join(
        f"commit refs/heads/long\nmark :{number}\ncommitter a <a@b> {number} +0000\ndata 1\nx\n".encode()
        for number in range(1, 1501)
    )
    subprocess.run(["git", "fast-import", "--quiet"], cwd=one.folder, input=stream, check=True)
    shas = one.git("rev-list", "refs/heads/long").split()
    store = history(one)
    store.append({sha: text(line(sha)) for sha in shas})
    assert "/" in one.git("ls-tree", "-r", "--name-only", DEFAULT_PLACE.name), "git has spread the notes over folders"
    store.append({shas[0]: text(line(shas[0], 41))})
    found = list(store.notes(shas, MOST))
    assert [note.commit for note in found] == shas
    assert (found[0].data or b"").count(b"\n") == 2


def test_other_things_in_the_notes_are_left_alone(origin: Path, tmp_path: Path) -> None:
    store = history(one := clone(str(origin), tmp_path / "one"))
    sha = commits(one)[0]
    one.git("notes", "--ref=membudget", "add", "-m", "somebody's remark", sha)
    store.append({sha: text(line(sha))})
    assert b"somebody's remark\n" in (kept(store)[sha] or b"")


def test_a_server_that_does_not_answer_is_named(origin: Path, tmp_path: Path) -> None:
    one = clone(str(origin), tmp_path / "one")
    one.git("remote", "set-url", "origin", str(tmp_path / "gone"))
    with pytest.raises(EnvironmentFault, match="git ls-remote"):
        history(one).push({commits(one)[0]: b"x\n"})


def test_a_push_that_the_server_refuses_is_not_tried_again(origin: Path, tmp_path: Path) -> None:
    one = clone(str(origin), tmp_path / "one")
    hook = origin / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho no >> tries\necho 'protected ref'\nexit 1\n")
    hook.chmod(0o755)
    sha = commits(one)[0]
    with pytest.raises(EnvironmentFault, match="contents: write"):
        history(one).push({sha: text(line(sha))})
    assert (origin / "tries").read_text().count("no") == 1


def test_only_the_own_server_gets_the_token(origin: Path, tmp_path: Path) -> None:
    one = clone(str(origin), tmp_path / "one")
    sha = commits(one)[0]
    with git_server(tmp_path, LOGIN) as address:
        one.git("remote", "set-url", "origin", f"{address}/origin.git")
        repository = GitRepository(one.folder)
        other = GitHistory(repository, DEFAULT_PLACE, Credentials("https://github.com", TOKEN))
        with pytest.raises(EnvironmentFault, match="git ls-remote") as failed:
            other.push({sha: text(line(sha))})
        own = GitHistory(repository, DEFAULT_PLACE, Credentials(address, TOKEN))
        assert own.push({sha: text(line(sha))}) == 1
    assert "planted" not in str(failed.value)
    assert "planted" not in (one.folder / ".git" / "config").read_text()


def test_a_history_that_cannot_be_read_is_not_an_empty_one(origin: Path, tmp_path: Path) -> None:
    store = history(one := clone(str(origin), tmp_path / "one"))
    sha = commits(one)[0]
    store.append({sha: text(line(sha))})
    notes = one.folder / ".git" / DEFAULT_PLACE.name
    for content in ("garbage\n", "1" * 40 + "\n"):
        notes.write_text(content)
        with pytest.raises(EnvironmentFault, match=r"git (for-each-ref|ls-tree)"):
            kept(store)
        with pytest.raises(EnvironmentFault):
            store.append({sha: text(line(sha, 41))})


def allow_filters(origin: Path) -> None:
    for key in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        subprocess.run(["git", "-C", str(origin), "config", key, "true"], check=True)


def blobless(origin: str, folder: Path, *options: str) -> Repository:
    """A clone without the content of files, as `filter: blob:none` makes it."""
    command = ["git", *options, "clone", "--quiet", "--filter=blob:none", "--no-checkout", origin, str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    return Repository(folder)


def test_a_partial_clone_gets_the_lines_at_once(origin: Path, tmp_path: Path) -> None:
    one = clone(str(origin), tmp_path / "one")
    sha = commits(one)[0]
    history(one).push({sha: text(line(sha))})
    allow_filters(origin)
    partial = blobless(f"file://{origin}", tmp_path / "partial")
    store = history(partial)
    assert store.fetch()
    partial.git("remote", "set-url", "origin", str(tmp_path / "gone"))
    assert kept(store) == {sha: text(line(sha))}


def test_what_a_partial_clone_fetches_later_is_fetched_with_the_login(origin: Path, tmp_path: Path) -> None:
    one = clone(str(origin), tmp_path / "one")
    sha = commits(one)[0]
    history(one).push({sha: text(line(sha))})
    allow_filters(origin)
    with git_server(tmp_path, LOGIN) as address:
        own = ("-c", f"http.{address}/.extraHeader=Authorization: basic {LOGIN}")
        partial = blobless(f"{address}/{origin.name}", tmp_path / "partial", *own)
        partial.git(*own, "fetch", "--quiet", "origin", f"{DEFAULT_PLACE.name}:{DEFAULT_PLACE.name}")
        repository = GitRepository(partial.folder)
        with pytest.raises(EnvironmentFault):
            kept(GitHistory(repository, DEFAULT_PLACE))
        assert kept(GitHistory(repository, DEFAULT_PLACE, Credentials(address, TOKEN))) == {sha: text(line(sha))}


def reject(origin: Path, script: str) -> Path:
    """Let the server refuse pushes. Return where it counts them."""
    hook = origin / "hooks" / "update"
    hook.write_text(f"#!/bin/sh\necho no >> {origin}/tries\n{script}\n")
    hook.chmod(0o755)
    return origin / "tries"


def test_a_lock_that_stays_is_not_waited_for_long(origin: Path, tmp_path: Path) -> None:
    one = clone(str(origin), tmp_path / "one")
    sha = commits(one)[0]
    lock = origin / f"{DEFAULT_PLACE.name}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    tries = reject(origin, "exit 0")
    with pytest.raises(EnvironmentFault, match="git push"):
        history(one).push({sha: text(line(sha))})
    assert 1 < tries.read_text().count("no") <= _MOST_WAITS
    lock.unlink()
    assert history(one).push({sha: text(line(sha))}) == 1


def test_a_ref_that_can_never_be_made_is_told(origin: Path, tmp_path: Path) -> None:
    one = clone(str(origin), tmp_path / "one")
    sha = commits(one)[0]
    own = one.folder / ".git" / f"{DEFAULT_PLACE.name}.lock"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.touch()
    pauses: list[float] = []
    store = GitHistory(GitRepository(one.folder), DEFAULT_PLACE, sleep=pauses.append)
    with pytest.raises(EnvironmentFault, match="git update-ref"):
        store.append({sha: text(line(sha))})
    assert len(pauses) <= _MOST_WAITS


def push_all_at_once(origin: Path, folder: Path, pushers: int, first: int) -> list[bytes]:
    """Let clones push to one server at the same time, all for one commit. Return what each pushed."""
    clones = [clone(str(origin), folder / f"clone{number}") for number in range(pushers)]
    sha = commits(clones[0])[0]
    lines = [text(line(sha, first + number)) for number in range(pushers)]
    begin, failed = threading.Barrier(pushers), []

    def push(one: Repository, data: bytes) -> None:
        store = GitHistory(GitRepository(one.folder), DEFAULT_PLACE)
        begin.wait()
        try:
            store.push({sha: data})
        except EnvironmentFault as fault:
            failed.append(str(fault))

    with git_server(origin.parent) as address:
        for one in clones:
            one.git("remote", "set-url", "origin", f"{address}/{origin.name}")
        threads = [threading.Thread(target=push, args=pair) for pair in zip(clones, lines, strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failed == []
    return lines


def test_no_line_of_ten_concurrent_pushes_is_lost(origin: Path, tmp_path: Path) -> None:
    lines = push_all_at_once(origin, tmp_path / "clones", pushers=10, first=40)
    reader = clone(str(origin), tmp_path / "reader")
    store = history(reader)
    store.fetch()
    (data,) = kept(store).values()
    assert (data or b"").splitlines(keepends=True) == sorted(lines)
