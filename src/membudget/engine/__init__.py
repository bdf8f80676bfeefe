"""The container engine, its cgroups, and everything of membudget's that exists in it."""
