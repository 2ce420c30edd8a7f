"""The screens of the Audience group, and Custom Events. Each module registers its own."""

from profiles.admin import events, groups, imports, users

__all__ = ["events", "groups", "imports", "users"]
