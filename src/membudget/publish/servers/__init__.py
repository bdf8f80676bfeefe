"""GitHub, Forgejo and Gitea: the API that publishing speaks."""
