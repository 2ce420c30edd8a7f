"""The Celery application. Tasks live in each app's ``tasks.py``; each calls a function that tests can call."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "brazeclone.settings")

app = Celery("brazeclone")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
