"""The demo's users: the members of the sandbox's cohorts and some more, so that the first export finds people."""

from typing import Final

from profiles.models import Profile
from profiles.objects import attributes_object
from profiles.tracking import Batch, track
from workspaces.models import Workspace

COUNT: Final = 60
_COUNTRIES: Final = ("US", "JP", "DE", "BR", "IN")
_LANGUAGES: Final = ("en", "ja", "de", "pt", "en")
_PLANS: Final = ("free", "plus", "premium")
_SUBSCRIPTIONS: Final = ("opted_in", "subscribed", "subscribed", "unsubscribed")


def make_demo_users() -> None:
    """Make ``user-1`` to ``user-60`` in the first workspace, unless it has users already."""
    workspace = Workspace.objects.order_by("pk").first()
    if workspace is None or Profile.objects.filter(workspace=workspace).exists():
        return
    track(workspace.pk, Batch(attributes=[attributes_object(_user(number)) for number in range(1, COUNT + 1)]))


def _user(number: int) -> dict[str, object]:
    return {
        "external_id": f"user-{number}",
        "email": f"user-{number}@example.com",
        "country": _COUNTRIES[number % len(_COUNTRIES)],
        "language": _LANGUAGES[number % len(_LANGUAGES)],
        "email_subscribe": _SUBSCRIPTIONS[number % len(_SUBSCRIPTIONS)],
        "plan": _PLANS[number % len(_PLANS)],
        "songs_played": number * 7,
        "is_early_adopter": number % 3 == 0,
    }
