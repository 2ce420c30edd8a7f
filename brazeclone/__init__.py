"""Wires the apps: settings, urls, celery, the admin site and its navigation. No app imports it."""

from brazeclone.celery import app as celery_app

__all__ = ["celery_app"]
