"""The Celery application: settings come from Django, tasks from each room's tasks.py."""

import os

from celery import Celery

import config.broker  # noqa: F401 - registers the transport that the settings name

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("countersign")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
