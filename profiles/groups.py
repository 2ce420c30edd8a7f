"""Subscription groups as people manage them, and how many users chose what. Braze: subscription groups."""

from typing import Final

from django.db import connection
from django.utils import timezone

from profiles.models import SubscriptionGroup
from workspaces.usage import Usage

#: So many groups, archived ones aside, a workspace can have (Braze).
LIMIT: Final = 450

#: What uses subscription groups: the floors above register here.
usage: Final[Usage[SubscriptionGroup]] = Usage()


def count_states(workspace_id: int) -> None:
    """Count what users of the workspace chose, by group: one pass over the choices, only reading them."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH counted AS (
                SELECT one.group_id, count(*) FILTER (WHERE is_subscribed) AS yes,
                       count(*) FILTER (WHERE NOT is_subscribed) AS no
                FROM profiles_subscriptionstate one JOIN profiles_subscriptiongroup mine ON mine.id = one.group_id
                WHERE mine.workspace_id = %(workspace)s GROUP BY one.group_id
            )
            UPDATE profiles_subscriptiongroup one
            SET subscribed = COALESCE(counted.yes, 0), unsubscribed = COALESCE(counted.no, 0), counted_at = now()
            FROM profiles_subscriptiongroup old LEFT JOIN counted ON counted.group_id = old.id
            WHERE old.workspace_id = %(workspace)s AND one.id = old.id
            """,
            {"workspace": workspace_id},
        )


def count_states_everywhere() -> None:
    """``count_states`` for every workspace that has subscription groups."""
    for workspace_id in SubscriptionGroup.objects.order_by().values_list("workspace_id", flat=True).distinct():
        count_states(workspace_id)


def archive(group: SubscriptionGroup) -> bool:
    """Archive a group; False if it is archived already."""
    mine = SubscriptionGroup.objects.filter(pk=group.pk, archived_at=None)
    return bool(mine.update(archived_at=timezone.now()))


def unarchive(group: SubscriptionGroup) -> bool:
    """Take a group out of the archive; False if it is not archived."""
    return bool(SubscriptionGroup.objects.filter(pk=group.pk, archived_at__isnull=False).update(archived_at=None))
