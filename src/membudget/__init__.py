"""Memory budgets for container images, enforced on every pull request."""
