"""What people change of one user in the dashboard; every change of a subscription is an event of the log."""

import uuid
from collections.abc import Mapping

from django.utils import timezone

from currents.log import append_events
from profiles.behaviours import DASHBOARD, subscription_changes
from profiles.rows import at_once, lock, save
from profiles.subscriptions import Choice, peers, store_choices


@at_once
def set_subscriptions(
    workspace_id: int, profile_id: int, columns: Mapping[str, str], groups: Mapping[uuid.UUID, bool]
) -> int:
    """Set what a user chose: global states by column (``email_subscribe``), and states by the groups' ``api_id``.

    In a group for email, everybody with the same address is set too, as by ``/users/track``. Returns how many states
    changed. Raises MovedError when the user is gone.
    """
    others = peers(workspace_id, [profile_id], ()) if groups else set()
    rows = lock({profile_id, *others})
    row = rows[profile_id]
    row.after |= columns
    row.chose(timezone.now())
    save([row])
    choices = [Choice(profile_id, group, is_subscribed) for group, is_subscribed in groups.items()]
    events = [
        *subscription_changes(row.before, row.after, row.as_user(), DASHBOARD),
        *store_choices(workspace_id, rows, choices, spreading=True, source=DASHBOARD),
    ]
    append_events(workspace_id, events)
    return len(events)


@at_once
def set_test_user(profile_id: int, is_test_user: bool) -> bool:
    """Mark a user as a test user, or not; returns whether that is new. Raises MovedError when the user is gone."""
    row = lock([profile_id])[profile_id]
    row.after["is_test_user"] = is_test_user
    save([row])
    return row.after != row.before
