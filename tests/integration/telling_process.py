"""A worker in a process of its own that tells whatever is due until it is killed.

    python -m tests.integration.telling_process

It says "ready" once. It ends with the test run: its standard input closes then.
"""

import os
import select
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from approvals.notifications import deliver, tell  # noqa: E402 - the apps must be ready first
from config.celery import app  # noqa: E402 - as above


def main() -> None:
    # Doorbells ring for nobody: other workers of this machine have another database.
    app.conf.update(broker_url="memory://localhost/")
    # A day of tries, in a test's minute.
    deliver.FIRST_PAUSE, deliver.LONGEST_PAUSE, deliver.MAX_TRIES = 0.2, 1.0, 10_000
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], 0.05)[0]:
        tell.tell()


if __name__ == "__main__":
    main()
