"""As in production: what leaks is bounded by replacing workers, not all at once."""

bind = "127.0.0.1:8080"
workers = 4
preload_app = True
worker_tmp_dir = "/dev/shm"
max_requests = 100
max_requests_jitter = 100
