"""The check of the token: whether the server accepts it, and what it may do as far as reading tells."""

from membudget.core.errors import DoctorCheck
from membudget.core.untrusted_text import Quoted
from membudget.publish.pull_request import ServerFault
from membudget.publish.server import Access, Server
from membudget.setup.doctor import CannotLook, Finding, failed, ok, warning

_WRITES = "; whether it may write cannot be seen without writing: the job's `permissions` decide"


def token_finding(server_name: str, access: Access | ServerFault | None) -> Finding:
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


def look_at_token(server: Server) -> Finding:
    """Ask the server about the token. Nothing is written."""
    if not server.has_token:
        raise CannotLook("there is no token in the environment")
    try:
        access: Access | ServerFault | None = server.access()
    except ServerFault as fault:
        access = fault
    return token_finding(server.name, access)
