"""How gunicorn serves the pages; the address comes from the command line."""

import os

wsgi_app = "config.wsgi:application"
workers = int(os.environ.get("COUNTERSIGN_WEB_PROCESSES", "2"))
threads = int(os.environ.get("COUNTERSIGN_WEB_THREADS", "4"))
worker_class = "gthread"
# A page reads one file of a kept tarball at most, and waits for no registry for long: what takes
# longer is stuck.
timeout = 60
graceful_timeout = 8
accesslog = None
loglevel = "warning"
control_socket_disable = True
