"""The activity log: every line that the admin logs, with the workspace that the person was looking at.

Django's log entries know no workspace and go when the person goes; so each is copied when it is written.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import Model
from django.utils.translation import gettext

from workspaces.models import Activity, ApiKey, Workspace
from workspaces.sayings import stored

_workspace: ContextVar[Workspace | None] = ContextVar("workspace", default=None)


@contextmanager
def acting_in(workspace: Workspace | None) -> Iterator[None]:
    """Within, what is logged belongs to ``workspace`` (a lazy object will do: it is looked at only when needed)."""
    token = _workspace.set(workspace)
    try:
        yield
    finally:
        _workspace.reset(token)


def log_program(key: ApiKey, obj: Model, message: str, **parameters: Any) -> None:
    """A line for what a program did to ``obj`` with its REST API key. Never put a secret into it.

    ``message`` is of ``gettext_noop``, with a placeholder for each parameter.
    """
    Activity.objects.create(
        workspace_id=key.workspace_id,
        person_name=(gettext("API key “%(name)s”") % {"name": key.name})[:150],
        flag=CHANGE,
        kind=obj._meta.model_name or "",
        object_id=str(obj.pk),
        object_name=str(obj)[:200],
        said=stored(message, parameters),
    )


def copy_entry(instance: LogEntry, created: bool, **signal: Any) -> None:
    """Receiver of ``post_save`` of Django's log entries; outside of any workspace nothing is copied."""
    workspace = _workspace.get()
    if not created or not workspace:
        return
    content_type = instance.content_type
    Activity.objects.create(
        workspace_id=workspace.pk,
        person_id=instance.user_id,
        person_name=instance.user.get_username(),
        flag=instance.action_flag,
        kind=content_type.model if content_type else "",
        object_id=instance.object_id or "",
        object_name=instance.object_repr,
        said=instance.change_message,
    )
