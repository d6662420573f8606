"""How gunicorn serves the pages; the address comes from the command line.

settings.WEB_THREADS says in how many threads each process answers, and config.asgi how.
"""

import os

wsgi_app = "config.asgi:application"
workers = int(os.environ.get("COUNTERSIGN_WEB_PROCESSES", "2"))
worker_class = "config.web_worker.WebWorker"
asgi_lifespan = "off"
# A process that does not answer the master for so long is stuck. Its pages are made in threads, and
# hold nobody up.
timeout = 60
graceful_timeout = 8
# Besides those who wait (settings.API_WAITERS), as many again; each is an open file.
worker_connections = 1000
accesslog = None
loglevel = "warning"
control_socket_disable = True
