"""What is allowed: budgets, limits and workloads, as `budgets.toml` declares them."""
