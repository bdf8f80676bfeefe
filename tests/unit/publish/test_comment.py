"""What is done about a server that fails, without one: the comment is looked for before it is created again."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from membudget.publish.comment import (
    ANOTHER_IS_NEWER,
    Comment,
    CommentServer,
    CommentSettings,
    Draft,
    ServerCommenter,
)
from membudget.publish.pull_request import NotPosted, Posted, PullRequest, ServerFault

PULL_REQUEST = PullRequest("octo/shop", 7)
DOWN, REFUSED, GONE = (ServerFault(f"it answered {status}", status) for status in (502, 403, 404))
MARKER = CommentSettings().marker(None)
DRAFT = Draft(
    CommentSettings(), None, is_worth_creating=True, body=lambda _: f"{MARKER}\nnew", is_same=lambda body: "new" in body
)


@dataclass
class Server(CommentServer):
    """Keeps comments in a list. Fails the calls that are planned to: `("create", DOWN)`. None: this call is fine."""

    plan: list[tuple[str, ServerFault | None]] = field(default_factory=list)
    obeys: bool = True
    """Whether a write that fails is done all the same."""
    there: list[Comment] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    rival: Comment | None = None
    """Another run's comment, created just before ours."""

    def own(self, prefix: str) -> Sequence[Comment]:
        self._fail("own")
        return [comment for comment in self.there if comment.body.startswith(prefix)]

    def create(self, body: str) -> Comment:
        if self.rival is not None:
            self.there.append(self.rival)
        made = Comment(len(self.there) + 1, body, "https://git.example/1")
        self._fail("create", lambda: self.there.append(made))
        self.there.append(made)
        return made

    def edit(self, comment: Comment, body: str) -> None:
        self._fail("edit", lambda: self._replace(comment, body))
        self._replace(comment, body)

    def delete(self, comment: Comment) -> None:
        self._fail("delete")
        self.there.remove(comment)

    def head_sha(self) -> str:
        self._fail("head_sha")
        return "b" * 40

    def why_not(self, fault: ServerFault) -> str:
        return f"told: {fault}"

    def _replace(self, comment: Comment, body: str) -> None:
        self.there = [Comment(one.id, body, one.url) if one.id == comment.id else one for one in self.there]

    def _fail(self, call: str, write: object = None) -> None:
        self.calls.append(call)
        if self.plan and self.plan[0][0] == call:
            _, fault = self.plan.pop(0)
            if fault is None:
                return
            if self.obeys and callable(write):
                write()
            raise fault


def post(server: Server) -> Posted | NotPosted:
    return ServerCommenter(lambda _: server, lambda: server.calls.append("pause")).post(PULL_REQUEST, DRAFT)


CREATED = Posted("https://git.example/1", created=True)
UPDATED = Posted("https://git.example/1", created=False)


def test_a_creation_that_was_done_but_not_confirmed_is_found() -> None:
    server = Server([("create", DOWN)])
    assert post(server) == CREATED
    assert server.calls == ["own", "create", "pause", "own"]


def test_an_edit_that_was_done_but_not_confirmed_is_found() -> None:
    server = Server([("edit", DOWN)], there=[Comment(1, f"{MARKER}\nold", "https://git.example/1")])
    assert post(server) == UPDATED
    assert server.calls == ["own", "edit", "pause", "own"]


def test_the_last_look_for_an_edit_does_not_take_it_for_a_creation() -> None:
    there = [Comment(1, f"{MARKER}\nold", "https://git.example/1")]
    assert post(Server([("edit", DOWN), ("own", DOWN)], there=there)) == UPDATED


def test_an_unchanged_comment_is_not_written() -> None:
    server = Server(there=[Comment(1, f"{MARKER}\nnew", "https://git.example/1")])
    assert post(server) == Posted("https://git.example/1", created=False, written=False)
    assert server.calls == ["own"]


def test_a_creation_that_was_not_done_is_repeated_once() -> None:
    server = Server([("create", DOWN)], obeys=False)
    assert post(server) == CREATED
    assert server.calls.count("create") == 2


def test_the_last_attempt_is_looked_at_too() -> None:
    server = Server([("create", DOWN), ("own", DOWN)])
    assert post(server) == CREATED
    assert server.calls == ["own", "create", "pause", "own", "own"]


def test_a_comment_that_nobody_could_look_for_may_be_there() -> None:
    server = Server([("create", DOWN), ("own", DOWN), ("own", DOWN)])
    assert post(server) == NotPosted("told: it answered 502", is_known=False)


def test_a_comment_that_is_not_there_in_the_end_is_not_posted() -> None:
    server = Server([("create", DOWN), ("create", DOWN)], obeys=False)
    assert post(server) == NotPosted("told: it answered 502")
    assert server.calls == ["own", "create", "pause", "own", "create", "pause", "own"]


def test_a_refusal_is_final() -> None:
    server = Server([("create", REFUSED)], obeys=False)
    assert post(server) == NotPosted("told: it answered 403")
    assert server.calls == ["own", "create"]


def test_a_server_that_cannot_be_read_is_asked_twice_and_was_told_nothing() -> None:
    server = Server([("own", DOWN), ("own", DOWN)])
    assert post(server) == NotPosted("told: it answered 502")
    assert server.calls == ["own", "own"]


@pytest.mark.parametrize("obeys", [True, False])
def test_a_comment_that_was_deleted_meanwhile_is_created_anew(obeys: bool) -> None:
    server = Server([("edit", GONE)], obeys=obeys, there=[Comment(1, f"{MARKER}\nold", "https://git.example/1")])

    def look(_: PullRequest) -> Server:
        if server.calls:
            server.there.clear()
        return server

    assert ServerCommenter(look, lambda: None).post(PULL_REQUEST, DRAFT) == CREATED
    assert server.calls[:4] == ["own", "edit", "own", "create"]


@pytest.mark.parametrize("fault", [DOWN, REFUSED])
def test_a_double_that_cannot_be_deleted_does_not_hide_that_the_comment_is_edited(fault: ServerFault) -> None:
    texts = (f"{MARKER}\nold", f"{MARKER}\ndouble", f"{MARKER}\nanother")
    there = [Comment(number, text, "https://git.example/1") for number, text in enumerate(texts, start=1)]
    server = Server([("delete", fault)], there=there)
    assert post(server) == UPDATED
    assert [comment.id for comment in server.there] == [1, 2]


@pytest.mark.parametrize("fault", [DOWN, REFUSED])
def test_a_second_look_that_fails_does_not_hide_that_the_comment_is_created(fault: ServerFault) -> None:
    server = Server([("create", None), ("own", fault)])
    assert post(server) == CREATED
    assert server.calls == ["own", "create", "own"]


@pytest.mark.parametrize("fault", [DOWN, REFUSED])
def test_an_older_double_that_cannot_be_deleted_does_not_hide_that_the_comment_is_created(fault: ServerFault) -> None:
    server = Server([("delete", fault)], rival=Comment(50, f"{MARKER}\nrival", "https://git.example/50"))
    assert post(server) == CREATED
    assert server.calls == ["own", "create", "own", "delete"]


@pytest.mark.parametrize("fault", [DOWN, REFUSED])
def test_a_comment_that_cannot_be_deleted_does_not_hide_that_another_is_newer(fault: ServerFault) -> None:
    server = Server([("delete", fault)], rival=Comment(0, f"{MARKER}\nrival", "https://git.example/0"))
    assert post(server) == NotPosted(ANOTHER_IS_NEWER, is_wanted=True)
    assert server.calls == ["own", "create", "own", "delete"]
