"""Where it goes: the pull request, the workflow, the terminal."""
