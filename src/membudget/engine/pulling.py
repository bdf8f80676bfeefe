"""Why an image could not be pulled, by what the engine or the builder says, and what to do about it."""

from enum import Enum, auto


class PullProblem(Enum):
    """The kinds of reasons for which registries give no image."""

    UNKNOWN = auto()
    """The registry has no such image, or does not show it to this user."""
    NO_LOGIN = auto()
    UNREACHABLE = auto()
    """The registry does not answer."""
    RATE_LIMITED = auto()


_SIGNS = (
    (PullProblem.RATE_LIMITED, ("toomanyrequests", "rate limit", "429 too many")),
    (PullProblem.NO_LOGIN, ("no basic auth", "unauthorized", "authentication required", "403 forbidden")),
    (
        PullProblem.UNREACHABLE,
        (
            "dial tcp", "no such host", "i/o timeout", "connection refused", "tls handshake", "x509:", "proxyconnect",
            "client.timeout", "context deadline exceeded", "network is unreachable", "connection reset",
        ),
    ),
    (
        PullProblem.UNKNOWN,
        ("pull access denied", "repository does not exist", "manifest unknown", "manifest for", "name unknown"),
    ),
)  # fmt: skip
_BUILDERS_LOOK_UPS = ("failed to resolve source metadata", "failed to do request", "failed to load metadata")


def pull_problem(said: str) -> PullProblem | None:
    """Return why an image could not be pulled, from an error of the engine. None if it says something else."""
    words = said.lower()
    return next((problem for problem, signs in _SIGNS if any(sign in words for sign in signs)), None)


def base_image_problem(said: str) -> PullProblem | None:
    """Return why the image of a FROM could not be pulled, from an error of the builder. None if that was not it."""
    words = said.lower()
    is_about_images = any(sign in words for sign in _BUILDERS_LOOK_UPS) or "pull access denied" in words
    if not is_about_images:
        return None
    found = pull_problem(said)
    return PullProblem.UNKNOWN if found is None and "not found" in words else found


def pull_fix(problem: PullProblem | None, image: str, named_in: str) -> str:
    """Return what to do. `named_in` is the place where the user names the image."""
    match problem:
        case PullProblem.UNKNOWN:
            return (
                f"correct the name in {named_in}, or build or pull {image} first; a private registry needs docker login"
            )
        case PullProblem.NO_LOGIN:
            return f"log in to its registry with docker login, or pull {image} first"
        case PullProblem.UNREACHABLE:
            return f"the registry does not answer: check the network and the proxy of the engine, or pull {image} first"
        case PullProblem.RATE_LIMITED:
            return "the registry limits anonymous pulls: log in with docker login, or use a mirror"
        case None:
            return f"docker pull {image} shows more; {named_in} names it"
