"""Finding one user by any of their names. Braze: Search Users."""

from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from profiles.models import Alias, DeprecatedId, Device, Profile
from profiles.planning import unseen

#: One name can be that of several users: an email address, or an alias under two labels.
LIMIT = 50


def search(workspace_id: int, text: str, *, test_users: bool = False) -> list[Profile]:
    """The users that have exactly ``text`` as external id (also a deprecated one), braze id, alias name, device id,
    email (as typed, or in lower case) or phone number (a plus sign may lack); ``test_users``: only those marked so.

    Each way is one look into an index, whatever the number of users.
    """
    text = text.strip()
    if not text or "\x00" in text:
        return []
    here = unseen(workspace_id)
    mine = _users(here, test_users).order_by()
    named = [
        Alias.objects.filter(workspace_id=here, name=text),
        Device.objects.filter(workspace_id=here, device_id=text),
        DeprecatedId.objects.filter(workspace_id=here, external_id=text),
    ]
    ways = [
        mine.filter(external_id=text),
        mine.filter(braze_id=text.lower()),
        *(mine.filter(pk__in=rows.values("profile_id")[:LIMIT]) for rows in named),
        mine.filter(email__in={text, text.lower()}),
        mine.filter(phone__in={text, f"+{text}"}),
    ]
    ids = {pk for way in ways for pk in way.values_list("pk", flat=True)[:LIMIT]}
    return list(Profile.objects.filter(pk__in=ids).order_by("-last_used_at", "pk")[:LIMIT])


def newest(workspace_id: int, count: int, *, test_users: bool = False) -> list[Profile]:
    """The users who came last; ``test_users``: of those marked so."""
    return list(_users(workspace_id, test_users).order_by("-pk")[:count])


def _users(workspace_id: int | RawSQL, test_users: bool) -> QuerySet[Profile]:
    users = Profile.objects.filter(workspace_id=workspace_id)
    return users.filter(is_test_user=True) if test_users else users
