"""On a user's page: the cohorts that they are in."""

from collections.abc import Sequence

from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from partners.models import Cohort
from partners.reading import cohort_members
from profiles.models import Profile
from profiles.panels import Panel, register
from workspaces.admin_base import may
from workspaces.roles import Action


@register
def cohorts_panel(request: HttpRequest, profile: Profile) -> Sequence[Panel]:
    """The panel for those who may see cohorts."""
    if not may(request, Action.VIEW_COHORTS):
        return []
    context = {"cohorts": cohorts_of(profile)}
    return [Panel(_("Cohorts"), "partners/user_panel.html", context)]


def cohorts_of(profile: Profile) -> list[Cohort]:
    """The cohorts, archived ones left out, that ``profile`` is in, by name."""
    cohorts = Cohort.objects.filter(integration__workspace_id=profile.workspace_id, archived_at=None)
    mine = {one.pk: one for one in cohorts.select_related("integration").order_by("name")}
    members = cohort_members(profile.workspace_id, list(mine))
    return [one for pk, one in mine.items() if pk in members and profile.pk in members[pk]]
