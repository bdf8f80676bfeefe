"""Where images come from: commits, checkouts, builds, engines and registries."""
