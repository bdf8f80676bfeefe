"""The web addresses of commits, found from a remote's address or from a job's environment.

GitHub, Gitea and Forgejo show a commit at `/commit/SHA`, GitLab at `/-/commit/SHA`. Which of them a server is cannot be
seen from an address, so only hosts that say it in their name and the server of the job are known.
"""

import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

_PLAIN, _GITLAB = "/commit/", "/-/commit/"
_HOSTS = {"github.com": _PLAIN, "codeberg.org": _PLAIN, "gitea.com": _PLAIN, "gitlab.com": _GITLAB}
_NAMES = {"github": _PLAIN, "gitea": _PLAIN, "forgejo": _PLAIN, "gitlab": _GITLAB}
"""Words in the name of a host that say which server it is."""
_SCP = re.compile(r"(?:[\w.-]+@)?([\w.-]+):(?!//)(.+)")
"""`git@host:owner/name.git` (git-clone(1), "GIT URLS")."""
_HOST = re.compile(r"[A-Za-z0-9.-]+(:\d{1,5})?")
_LONGEST = 500


def commit_pages(remote: str | None, environ: Mapping[str, str]) -> str | None:
    """Return what the ID of a commit is added to. None if it is not known.

    The job's own server comes first: https://docs.github.com/actions/reference/workflows-and-actions/variables and
    https://docs.gitlab.com/ci/variables/predefined_variables. No login of a remote's address is kept.
    """
    project = environ.get("CI_PROJECT_URL")
    if project:
        return checked_prefix(f"{project}{_GITLAB}")
    server, name = environ.get("GITHUB_SERVER_URL"), environ.get("GITHUB_REPOSITORY")
    if server and name:
        return checked_prefix(f"{server.rstrip('/')}/{quote(name)}{_PLAIN}")
    return _of_remote(remote) if remote else None


def checked_prefix(address: str) -> str | None:
    """Return an address that a page may link to, without a login in it. None for any other.

    cgit, gitweb and others have the commit in a query: `https://git.example.com/shop/commit/?id=`.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    host = (parts.hostname or "") + (f":{port}" if port is not None else "")
    if parts.scheme not in ("http", "https") or not _HOST.fullmatch(host) or len(address) > _LONGEST:
        return None
    query, fragment = (quote(text, safe="/~%-._=&;:+,?") for text in (parts.query, parts.fragment))
    path = quote(parts.path, safe="/~%-._")
    return f"{parts.scheme}://{host}{path}{'?' * bool(query)}{query}{'#' * bool(fragment)}{fragment}"


def _of_remote(remote: str) -> str | None:
    found = _SCP.fullmatch(remote)
    if found is not None:
        host, path, scheme, port = found[1], found[2], "https", None
    else:
        try:
            parts = urlsplit(remote)
            host, path = parts.hostname or "", parts.path
            is_web = parts.scheme in ("http", "https")
            scheme, port = (parts.scheme, parts.port) if is_web else ("https", None)  # a port of ssh says nothing
        except ValueError:
            return None
        if not is_web and parts.scheme not in ("ssh", "git+ssh"):
            return None
    form = _HOSTS.get(host.lower()) or next((form for word, form in _NAMES.items() if word in host.lower()), None)
    if form is None:
        return None
    place = f"{host}:{port}" if port is not None else host
    path = path.replace("?", "%3F").replace("#", "%23")
    return checked_prefix(f"{scheme}://{place}/{path.strip('/').removesuffix('.git')}{form}")
