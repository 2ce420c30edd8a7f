"""Users for tests of the user endpoints."""

from typing import Any

from profiles.live import live_users
from profiles.models import Alias, IdentityChange, Profile
from profiles.sets import ProfileSet
from workspaces.models import Workspace

WHEN = "2024-05-12T18:47:12Z"


def event(name: str = "rented_movie", **who: Any) -> dict[str, Any]:
    return {"name": name, "time": WHEN, **who}


def purchase(**who: Any) -> dict[str, Any]:
    return {"product_id": "backpack", "currency": "USD", "price": 12.5, "time": WHEN, **who}


def alias(name: str, label: str = "shop") -> dict[str, str]:
    return {"alias_name": name, "alias_label": label}


def of_alias(name: str, label: str = "shop") -> dict[str, Any]:
    """How an object of /users/track names a user by an alias, and makes one."""
    return {"user_alias": alias(name, label), "_update_existing_only": False}


def user(external_id: str) -> Profile:
    return Profile.objects.get(external_id=external_id)


def aliases(profile: Profile) -> set[str]:
    return {str(one) for one in Alias.objects.filter(profile=profile)}


def last_change(kind: str) -> tuple[list[int], list[int] | None]:
    """(profile ids, survivor ids) of the newest row of that kind in the identity log."""
    row = IdentityChange.objects.filter(kind=kind).latest("pk")
    return row.profile_ids, row.survivor_ids


def check_live(workspace: Workspace) -> None:
    """The live-user set is exactly the profiles that are there."""
    assert live_users(workspace.pk) == ProfileSet(Profile.objects.values_list("pk", flat=True))
