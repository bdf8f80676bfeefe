"""GitHub, Forgejo and Gitea, each behind `publish.server.Server`."""
