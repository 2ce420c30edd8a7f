"""A workspace with seven users, two cohorts and people who may edit its segments."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from partners.models import Cohort, Integration
from profiles.live import log_identity
from profiles.models import CustomAttribute, IdentityChange, Profile
from profiles.sets import ProfileSet
from segments.models import Segment
from tests.logins import logged_in
from workspaces.models import Membership, User, Workspace
from workspaces.roles import Role


@dataclass
class House:
    """What the tests start from. User n last used an app n days ago, has the age n and an email unless 3 divides n."""

    workspace: Workspace
    admin: User
    profiles: list[Profile]
    integration: Integration
    cohort: Cohort

    def segment(self, name: str = "Example", **fields: Any) -> Segment:
        return Segment.objects.create(workspace=self.workspace, name=name, **fields)

    def tree(self, *rows: Any, **more: Any) -> dict[str, Any]:
        """A tree of these rows; a row is a leaf or a list of leaves."""
        listed = [row if isinstance(row, list) else [row] for row in rows]
        return {"apps": None, "exclude": [], **more, "rows": [{"filters": row} for row in listed]}


def in_cohort(*cohort_ids: str, operator: str = "includes") -> dict[str, Any]:
    return {"filter": "mixpanel_cohorts", "operator": operator, "value": list(cohort_ids)}


def build_house(name: str = "Mixpanel Demo") -> House:
    workspace = Workspace.objects.create(name=name, time_zone="Asia/Tokyo")
    admin = User.objects.create_user(f"admin of {name}")
    Membership.objects.create(user=admin, workspace=workspace, role=Role.ADMIN)
    profiles = Profile.objects.bulk_create(
        Profile(
            workspace=workspace,
            external_id=f"user-{n}",
            email=f"user-{n}@example.com" if n % 3 else "",
            country=["JP", "DE", "US"][n % 3],
            language="en",
            last_used_at=timezone.now() - timedelta(days=n, minutes=1),
            custom_attributes={"age": n},
        )
        for n in range(7)
    )
    log_identity(workspace.pk, IdentityChange.Kind.CREATED, [one.pk for one in profiles])
    CustomAttribute.objects.create(workspace=workspace, name="age", type="number")
    integration = Integration.objects.create(workspace=workspace, partner_slug="mixpanel")
    members = ProfileSet(one.pk for one in profiles[:3])
    cohort = Cohort.objects.create(
        integration=integration, cohort_id="c1", name="Braze Cohort", members=members, size=3
    )
    return House(workspace, admin, profiles, integration, cohort)


@pytest.fixture
def house(db: None) -> House:
    return build_house()


@pytest.fixture
def browse() -> Callable[[User], Client]:
    """A logged-in client."""
    return logged_in


@pytest.fixture
def client(house: House, browse: Callable[[User], Client]) -> Client:
    """The house's admin at their browser."""
    return browse(house.admin)
