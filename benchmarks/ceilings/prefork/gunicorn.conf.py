"""Workers are replaced under load."""

bind = "127.0.0.1:8080"
worker_tmp_dir = "/dev/shm"
max_requests = 150
max_requests_jitter = 50
