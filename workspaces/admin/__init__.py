"""The Settings screens and Data Points. Each module registers its own."""

from django.contrib import admin
from django.contrib.auth.models import Group

from workspaces.admin import activity, api_keys, data_points, schedules, team, workspaces

# What people may do follows from their role in a workspace (``workspaces.roles``), never from Django's groups.
admin.site.unregister(Group)

__all__ = ["activity", "api_keys", "data_points", "schedules", "team", "workspaces"]
