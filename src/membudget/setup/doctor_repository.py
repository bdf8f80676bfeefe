"""Checks of the repository: its base, submodules and Git LFS, its workflows, and the token of its server."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from membudget.build.git import GitRepository
from membudget.build.git_base import find_base, unproven_note
from membudget.build.revision import BaseRequest, Commit, NoBase
from membudget.core.errors import ConfigurationError, DoctorCheck, shortened
from membudget.core.untrusted_text import Part, Parts, Quoted
from membudget.publish.pull_request import ServerFault
from membudget.publish.server import Access, Server
from membudget.report.notes import uncommitted
from membudget.setup import workflow_rules as rules
from membudget.setup.doctor import CannotLook, CheckFinding, CheckState, failed, ok, refused, warning
from membudget.setup.workflow_files import Workflows
from membudget.setup.workflow_rules import Complaint

_MOST_NAMED, _MOST_WORKFLOWS = 3, 10
_LONGEST_LIST = 200
_MOST_ATTRIBUTES = 200
_LARGEST_ATTRIBUTES_BYTES = 256 * 1024
_SHORT = 12


@dataclass(frozen=True, slots=True)
class RepositorySeen:
    """A repository, and its state."""

    top: str
    version: str
    """git's version."""
    head: Commit | None
    uncommitted: int
    """How many tracked files differ from HEAD."""


def git_finding(seen: RepositorySeen) -> CheckFinding:
    """Say which repository is checked."""
    check = DoctorCheck.GIT
    place = ("git ", Quoted(seen.version), ", repository ", Quoted(seen.top))
    if seen.head is None:
        return failed(check, *place, ", without a commit", fix="commit what is to be built")
    head = (*place, f", HEAD {seen.head.sha[:_SHORT]}")
    if not seen.uncommitted:
        return ok(check, *head)
    fix = "commit them to have them built; the budgets file is read as it is"
    return warning(check, *head, f"; {uncommitted(seen.uncommitted)}, which check does not build", fix=fix)


def look_at_git(repository: GitRepository) -> CheckFinding:
    """Look at the repository."""
    head = repository.commit("HEAD")
    changed = len(repository.uncommitted()) if head is not None else 0
    return git_finding(RepositorySeen(str(repository.top), repository.version(), head, changed))


@dataclass(frozen=True, slots=True)
class BaseSeen:
    """The commit that HEAD would be compared with."""

    base: Commit | NoBase | ConfigurationError
    """Or why the clone does not have it."""
    is_shallow: bool
    doubt: str | None = None
    """Why it is not certain that this is the right base."""


def base_finding(seen: BaseSeen) -> CheckFinding:
    """Say which commit HEAD is compared with."""
    check = DoctorCheck.BASE
    clone = ", in a shallow clone" if seen.is_shallow else ""
    match seen.base:
        case ConfigurationError() as error:
            return refused(check, error)
        case NoBase(reason):
            fix = "name a base with --base, if there is another branch to compare with; else only maxima count"
            return warning(check, "nothing to compare with: ", Quoted(reason), clone, fix=fix)
        case Commit(sha, subject):
            found = (f"the merge base is {sha[:_SHORT]} ", Quoted(subject), clone)
            if seen.doubt is None:
                return ok(check, *found)
            return warning(check, *found, "; ", Quoted(seen.doubt), fix="give actions/checkout `fetch-depth: 0`")


def look_for_base(repository: GitRepository, request: BaseRequest) -> CheckFinding:
    """Look for the commit that `check` would compare HEAD with."""
    head = _head(repository)
    try:
        base: Commit | NoBase | ConfigurationError = find_base(repository, head, request)
    except ConfigurationError as error:
        base = error
    doubt = unproven_note(repository, head, request) if isinstance(base, Commit) else None
    return base_finding(BaseSeen(base, repository.is_shallow(), doubt))


def submodules_finding(missing: tuple[str, ...], count: int) -> CheckFinding:
    """Say which submodules the clone lacks, of `count`. Their folders are empty in what is built."""
    check = DoctorCheck.SUBMODULES
    if count == 0:
        raise CannotLook("HEAD has no submodules")
    if not missing:
        return ok(check, "the clone has the only one" if count == 1 else f"the clone has all {count}")
    fix = "git submodule update --init --recursive; in a workflow, give actions/checkout `submodules: recursive`"
    return warning(check, f"the clone lacks {len(missing)} of {count}: ", *_named(missing), fix=fix)


def look_at_submodules(repository: GitRepository) -> CheckFinding:
    """Look for the submodules of HEAD."""
    listed = repository.submodules(_head(repository))
    missing = []
    for path, sha in listed:
        module = repository.submodule(path)
        if module is None or module.commit(sha) is None:
            missing.append(path)
    return submodules_finding(tuple(missing), len(listed))


@dataclass(frozen=True, slots=True)
class LfsSeen:
    """What a repository and this machine have of Git LFS."""

    attributes: tuple[str, ...]
    """The files that hand patterns to Git LFS."""
    is_installed: bool
    """Whether the program is there."""
    is_set_up: bool
    """Whether git has the filter."""


def lfs_finding(seen: LfsSeen) -> CheckFinding:
    """Say whether files of Git LFS come with their content."""
    check = DoctorCheck.LFS
    if not seen.attributes:
        raise CannotLook("no file of HEAD is kept in Git LFS")
    by = ("files are kept in Git LFS, by ", *_named(seen.attributes))
    if seen.is_installed and seen.is_set_up:
        return ok(check, *by, "; git-lfs is set up")
    lacks = "git-lfs is not installed" if not seen.is_installed else "git has no filter for it"
    fix = "git lfs install; in a workflow, give actions/checkout `lfs: true`"
    if not seen.is_installed:
        fix = "install git-lfs, then: git lfs install"
    return failed(check, *by, f", and {lacks}: images would be built from pointer files", fix=fix)


def look_for_lfs(repository: GitRepository) -> CheckFinding:
    """Look for patterns that HEAD hands to Git LFS, and for the program."""
    head = _head(repository)
    files = [path for path in repository.paths(head) if path.rpartition("/")[2] == ".gitattributes"]
    texts = ((path, repository.file_at(head, path, _LARGEST_ATTRIBUTES_BYTES)) for path in files[:_MOST_ATTRIBUTES])
    found = tuple(path for path, text in texts if text is not None and _names_lfs(text))
    is_set_up = bool(repository.setting("filter.lfs.process") or repository.setting("filter.lfs.smudge"))
    return lfs_finding(LfsSeen(found, shutil.which("git-lfs") is not None, is_set_up))


def _names_lfs(attributes: str) -> bool:
    lines = (line.split() for line in attributes.splitlines() if not line.lstrip().startswith("#"))
    return any("filter=lfs" in words[1:] for words in lines)


def _head(repository: GitRepository) -> Commit:
    head = repository.commit("HEAD")
    if head is None:
        raise CannotLook("the repository has no commit", blocked_by=DoctorCheck.GIT)
    return head


def _named(paths: tuple[str, ...], most: int = _MOST_NAMED) -> Parts:
    parts: Parts = ()
    for path in paths[:most]:
        parts += (*((", ",) if parts else ()), Quoted(path))
    more = len(paths) - most
    return (*parts, f" and {more} more") if more > 0 else parts


def workflows_finding(workflows: Workflows) -> CheckFinding:
    """Say which workflow files use membudget."""
    check = DoctorCheck.WORKFLOWS
    files = _named(tuple(file.path for file in workflows.files), _MOST_WORKFLOWS)
    if workflows.unreadable:
        broken = workflows.unreadable[0]
        what = (Quoted(f"{broken.path}:{broken.line}"), " cannot be read: ", Quoted(broken.reason))
        return CheckFinding(
            check, CheckState.FAILED, (*files, *(("; ",) if files else ()), *what), ("correct the file",)
        )
    if not workflows.files:
        return warning(check, "no workflow uses membudget", fix="membudget init writes one")
    return ok(check, *files)


def triggers_finding(workflows: Workflows) -> CheckFinding:
    """Say whether the workflows start when they have to."""
    return _judged(DoctorCheck.TRIGGERS, workflows, rules.triggers, "they start on ", *_triggers_of(workflows))


def _triggers_of(workflows: Workflows) -> Parts:
    """Return the names of the events. They are texts of the repository, like everything in its files."""
    names = sorted({name for file in workflows.files for name in file.triggers})
    return _named(tuple(names), _MOST_WORKFLOWS)


def fetch_depth_finding(workflows: Workflows) -> CheckFinding:
    """Say whether the checkouts bring the commit to compare with."""
    return _judged(DoctorCheck.FETCH_DEPTH, workflows, rules.fetch_depth, "every checkout brings the base")


def permissions_finding(workflows: Workflows) -> CheckFinding:
    """Say whether jobs have the rights that they need, and no more than these."""
    return _judged(DoctorCheck.PERMISSIONS, workflows, rules.permissions, "every job has the rights that it needs")


def pins_finding(workflows: Workflows, version: str) -> CheckFinding:
    """Say which versions the workflows name, and whether somebody could change what these are."""
    pinned = {use.version_comment or "a commit" for file in workflows.files for use in file.uses if use.is_pinned}
    named = shortened(", ".join(sorted(pinned)), _LONGEST_LIST)
    tags = {use.ref for file in workflows.files for use in file.uses if use.ref and rules.RELEASE.fullmatch(use.ref)}
    seen: Parts = ("pinned by commit: ", Quoted(named)) if pinned else ()
    for tag in sorted(tags)[:1]:
        seen += (*(("; ",) if seen else ()), "named by a release's tag; ", rules.LS_REMOTE, f" {tag} prints the commit")
    if pinned and pinned != {f"v{version}"}:
        seen += (f", and this is v{version}",)
    seen = seen or ("no workflow names a version",)
    return _judged(DoctorCheck.PINS, workflows, rules.pins, *seen)


def forks_finding(workflows: Workflows) -> CheckFinding:
    """Say whether pull requests from forks get a comment, which takes two workflows that fit each other."""
    seen = "what one workflow measures, another one posts"
    if not rules.has_reporter(workflows):
        seen = "one workflow: pull requests from forks are checked, but get no comment"
    return _judged(DoctorCheck.FORKS, workflows, rules.forks, seen)


def _judged(
    check: DoctorCheck,
    workflows: Workflows,
    rule: Callable[[Workflows], list[Complaint]],
    *otherwise: Part,
) -> CheckFinding:
    """Return the finding of a rule that each use of membudget is held against."""
    if not workflows.files:
        raise CannotLook("no workflow uses membudget")
    found = sorted(dict.fromkeys(rule(workflows)), key=lambda one: one.state is not CheckState.FAILED)
    if not found:
        return ok(check, *otherwise)
    seen: Parts = ()
    for one in found[:_MOST_NAMED]:
        seen += (*(("; ",) if seen else ()), Quoted(f"{one.path}:{one.line}"), " ", *one.what)
    more = len(found) - _MOST_NAMED
    seen += (f"; and {more} more",) if more > 0 else ()
    return CheckFinding(check, found[0].state, seen, (Quoted(found[0].fix),))


_WRITES = "; whether it may write cannot be seen without writing: the job's `permissions` decide"


def token_finding(server_name: str, access: Access | ServerFault | None) -> CheckFinding:
    """Say what the server says of the token. The token itself is never shown."""
    check = DoctorCheck.TOKEN
    match access:
        case None:
            raise CannotLook(f"{server_name} does not tell a token's rights")
        case ServerFault():
            fix = "look at the token, its lifetime and the server's address; a job gets one by `github.token`"
            return failed(check, Quoted(str(access)), fix=fix)
        case Access(reads_repository=False):
            fix = "give the token the right to read the repository: contents: read"
            return failed(check, f"{server_name} does not show ", Quoted(access.repository), " to the token", fix=fix)
    whose = ("the token of ", Quoted(access.owner)) if access.owner is not None else ("a workflow's or an app's token",)
    seen = (f"{server_name} accepts ", *whose)
    if access.reads_pull_requests is False:
        fix = "give the token the right pull-requests: write, for the comment"
        return warning(check, *seen, ", which may not read the pull requests of ", Quoted(access.repository), fix=fix)
    reads = (", which reads ", Quoted(access.repository)) if access.reads_repository else ()
    if access.may_push is False:
        fix = "take the token of an account that may write there, for commit statuses and labels"
        return warning(check, *seen, *reads, " and may not write there", fix=fix)
    return ok(check, *seen, *reads, _WRITES)


def look_at_token(server: Server) -> CheckFinding:
    """Ask the server about the token. Nothing is written."""
    if not server.has_token:
        raise CannotLook("there is no token in the environment")
    try:
        access: Access | ServerFault | None = server.access()
    except ServerFault as fault:
        access = fault
    return token_finding(server.name, access)
