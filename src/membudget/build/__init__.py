"""Where images come from: commits, checkouts, builds, the engine, archives and registries."""
