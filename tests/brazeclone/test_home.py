"""Home: the loop at a glance."""

from datetime import timedelta

import pytest
from django.utils import timezone

from currents.models import Current
from partners.models import Cohort, Integration
from profiles.live import log_identity
from profiles.models import IdentityChange, Profile
from segments.models import Segment
from tests.logins import client_of
from workspaces.data_points import log_data_points
from workspaces.models import Workspace
from workspaces.roles import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Example")


def home(workspace: Workspace, role: Role = Role.ADMIN) -> str:
    page = client_of(workspace, role).get("/admin/")
    assert page.status_code == 200
    return str(page.content.decode())


def fill(workspace: Workspace) -> None:
    """Something of everything."""
    profile = Profile.objects.create(workspace=workspace, external_id="user-1")
    log_identity(workspace.pk, IdentityChange.Kind.CREATED, [profile.pk])
    integration = Integration.objects.create(workspace=workspace, partner_slug="mixpanel")
    Cohort.objects.create(integration=integration, cohort_id="1", name="Power users", size=4321)
    Segment.objects.create(workspace=workspace, name="Everybody")
    Current.objects.create(
        workspace=workspace,
        name="To Mixpanel",
        contact_email="a@example.com",
        destination="mixpanel",
        status=Current.Status.ACTIVE,
        launched_at=timezone.now(),
    )
    log_data_points(workspace.pk, "attributes", 98_765)


def test_it_works(workspace: Workspace) -> None:
    fill(workspace)
    page = home(workspace)
    for text in ("Power users", "4,321", "To Mixpanel", "98,765", "1 of 1"):
        assert text in page
    assert "Next steps" not in page, "everything has been done"


def test_an_empty_workspace_shows_what_to_do(workspace: Workspace) -> None:
    page = home(workspace)
    for step in ("Send your users", "Connect Mixpanel", "Build a segment", "Send events back"):
        assert step in page


def test_a_step_is_shown_to_whom_it_is_allowed(workspace: Workspace) -> None:
    page = home(workspace, Role.MARKETER)
    assert "Build a segment" in page
    assert "Send your users" not in page


def test_a_pulled_cohort_that_is_overdue_is_late_and_a_pushed_one_never(workspace: Workspace) -> None:
    integration = Integration.objects.create(workspace=workspace, partner_slug="mixpanel")
    long_ago = timezone.now() - timedelta(days=2)
    Cohort.objects.create(integration=integration, cohort_id="1", name="Pushed", last_sync_at=long_ago)
    assert "Late" not in home(workspace)
    Cohort.objects.create(
        integration=integration, cohort_id="2", name="Pulled", source="pull", sync="dynamic", next_pull_at=long_ago
    )
    page = home(workspace, Role.MARKETER)
    assert "1 late" in page
    assert page.count(">Late<") == 1


def test_nothing_of_another_workspace_is_counted(workspace: Workspace) -> None:
    fill(Workspace.objects.create(name="Other"))
    page = home(workspace)
    for text in ("Power users", "To Mixpanel", "98,765"):
        assert text not in page
