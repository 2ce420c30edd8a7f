"""An import into a workspace that PostgreSQL's statistics do not know reads the users that it names."""

import pytest

from profiles.importing import parts
from profiles.models import Profile, SubscriptionGroup
from tests.profiles.importing.conftest import Load, counts
from tests.profiles.statistics import ENOUGH, reading, unknown_workspace
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace(db: None) -> Workspace:
    return unknown_workspace()


def test_known_users(load: Load, workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "CHUNK_ROWS", 10)
    for heading, name in (
        ("external_id", "user-{}"),
        ("external_id", "old-{}"),
        ("braze_id", ""),
        ("email", "user-{}@example.com"),
        ("phone", "+1555{:07}"),
    ):
        braze_ids = iter(Profile.objects.filter(workspace=workspace).order_by("pk").values_list("braze_id", flat=True))
        names = [name.format(n) or next(braze_ids) for n in range(1, 51)]
        with reading() as read:
            one = load(f"{heading},first_name\n" + "".join(f"{one},By {name}\n" for one in names))
        assert counts(one) == (0, 50, 0, 0)
        assert read() < ENOUGH


def test_known_users_who_choose(load: Load, workspace: Workspace) -> None:
    group = SubscriptionGroup.objects.create(workspace=workspace, name="News")
    with reading() as read:
        one = load(
            "external_id,subscription_group_id,subscription_state\n"
            + "".join(f"user-{n},{group.api_id},subscribed\n" for n in range(1, 51))
        )
    assert (counts(one), group.states.count()) == ((0, 50, 0, 0), 50)
    assert read() < ENOUGH
