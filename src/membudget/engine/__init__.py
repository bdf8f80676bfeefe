"""Where it runs: the container engine, its cgroups, and what of ours lives there."""
