"""How gunicorn serves the application; read because it is in gunicorn's working directory."""

import os

wsgi_app = "web:create_app()"
# Without Docker all containers share one network, and each is given its own address.
bind = f"{os.environ.get('HOST', '0.0.0.0')}:8080"
# Loaded before the port is opened: a version that cannot start never accepts a connection, and exits with its reason.
preload_app = True
worker_class = "gthread"
threads = 8
# The worker's sign of life is a file: in memory, since a task's root file system is read-only.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
# Kept below the time that ECS gives a container to stop (30 s).
graceful_timeout = 2
accesslog = "-"
access_log_format = "%(m)s %(U)s %(s)s"
control_socket_disable = True
