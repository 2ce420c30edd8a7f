"""The house of tests/segments: a workspace with seven users, a cohort of the first three, people who may edit."""

from typing import Any

from messaging.models import Campaign, Canvas, Engagement
from segments.models import Segment
from tests.segments.conftest import House, browse, build_house, client, house, in_cohort

__all__ = ["House", "browse", "build_house", "client", "house", "in_cohort", "make", "segments_of"]

FIELDS = ("name", "description", "tags", "messages", "include", "exclude", "filters", "version")


def make(house: House, model: type[Engagement] = Campaign, name: str = "Example", **fields: Any) -> Any:
    return model.objects.create(workspace=house.workspace, name=name, **fields)


def segments_of(house: House) -> tuple[Segment, Segment]:
    """Two segments: users 0 to 2, and those from Japan (0, 3 and 6)."""
    members = house.segment("Members", filters=house.tree(in_cohort("c1")))
    country = {"filter": "country", "operator": "is_any_of", "value": ["JP"]}
    return members, house.segment("From Japan", filters=house.tree(country))


def content(engagement: Campaign | Canvas, **changes: Any) -> dict[str, Any]:
    """What the page sends to save it, with ``changes``."""
    engagement.refresh_from_db()
    return {**{field: getattr(engagement, field) for field in FIELDS}, **changes}
