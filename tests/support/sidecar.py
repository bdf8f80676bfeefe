"""An image with a sidecar that its compose file builds: budgets and compose file as texts."""

SIDECAR_BUDGETS = """
version = 1
[images.web]
limit = "64MiB"
trials = 1
compose.sidecars = ["side"]
budgets.pod_peak_rss = { growth = { percent = 10, floor = "4MiB" } }
workload = { kind = "http", requests = [{ path = "/", count = 5 }] }
"""
SIDECAR = """
services:
  web: {image: measured}
  side:
    build: side
    depends_on: [web]
"""
