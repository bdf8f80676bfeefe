"""What could be saved in an image, and how, in words."""

from membudget.contents.savings import Hint, HintKind

_WORDS = {
    HintKind.PACKAGE_CACHE: (
        "caches of package managers",
        "clean up in the same RUN, or use RUN --mount=type=cache",
    ),
    HintKind.REMOVED_LATER: (
        "files removed in a later layer",
        "remove them in the RUN that makes them, or make them in another stage",
    ),
    HintKind.REWRITTEN: (
        "files copied to change their mode or owner",
        "use COPY --chmod and --chown, or change them in the RUN that makes them",
    ),
    HintKind.REPLACED: ("files replaced in a later layer", "write them once"),
    HintKind.BUILD_TOOLS: ("build tools in the final image", "build in a stage of its own, and COPY --from it"),
    HintKind.TESTS_AND_DOCS: ("tests and documentation of packages", "leave them out where they are installed"),
    HintKind.BYTE_CODE: ("byte-code of the same modules more than once", "compile with one interpreter and level"),
    HintKind.GIT_HISTORY: ("a .git folder", "name .git in .dockerignore"),
    HintKind.GIT_CLONE: (
        "a .git folder that the build made",
        "remove it in the RUN that makes it, and copy no .git from other stages",
    ),
    HintKind.CONTEXT_MODULES: (
        "node_modules copied from the build context",
        "name node_modules in .dockerignore, and install in the image",
    ),
    HintKind.DEBUG_SYMBOLS: ("debug symbols", "strip binaries, or keep the symbols elsewhere"),
    HintKind.DUPLICATES: ("the same files more than once", "keep one of each, and link to it"),
    HintKind.SMALLER_BASE: (
        "a smaller variant of the base image",
        "start FROM it, and add the packages that you need",
    ),
}


def hint_words(hint: Hint) -> str:
    """Return what could be saved, in a few words."""
    return _WORDS[hint.kind][0]


def hint_fix(hint: Hint) -> str:
    """Return how to save it."""
    return _WORDS[hint.kind][1]
