"""On a user's page: the segments that they are in."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from profiles.models import Profile
from profiles.panels import Panel, register
from segments.engine import evaluate
from segments.models import Segment
from segments.tree import TreeError, parse
from workspaces.admin_base import may
from workspaces.models import Workspace
from workspaces.roles import Action


@dataclass(frozen=True)
class Membership:
    """Segments that a user is in, and the others; of ``broken`` nobody can tell before their filters are corrected."""

    segments: list[Segment]
    others: list[Segment]
    broken: list[Segment]


@register
def segments_panel(request: HttpRequest, profile: Profile) -> Sequence[Panel]:
    """The panel for those who may see segments. It asks for its content itself: to find it takes a moment."""
    if not may(request, Action.VIEW_SEGMENTS):
        return []
    address = reverse("admin:segments_segment_of_user", args=[profile.pk])
    return [Panel(_("Segments"), "segments/user_panel.html", {"address": address})]


def segments_of(workspace: Workspace, profile_id: int) -> Membership:
    """Of the workspace's segments, archived ones left out and by name, those that a user is in now."""
    found = Membership([], [], [])
    for segment in Segment.objects.filter(workspace=workspace, archived_at=None).order_by("name"):
        try:
            is_inside = profile_id in evaluate(parse(segment.filters), workspace).users
            (found.segments if is_inside else found.others).append(segment)
        except TreeError:
            found.broken.append(segment)
    return found
