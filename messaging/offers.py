"""What one can begin with a segment: a campaign or a Canvas for its users."""

from urllib.parse import urlencode

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from segments.models import Segment
from segments.offers import Offer, register
from workspaces.admin_base import may
from workspaces.roles import Action


@register
def engagements_for(request: HttpRequest, segment: Segment) -> list[Offer]:
    """For those who may edit campaigns: the forms that make one, with the segment chosen."""
    if not may(request, Action.EDIT_CAMPAIGNS):
        return []
    query = urlencode({"segment": segment.api_id})
    return [
        Offer(_("Create Campaign"), f"{reverse('admin:messaging_campaign_add')}?{query}"),
        Offer(_("Create Canvas"), f"{reverse('admin:messaging_canvas_add')}?{query}"),
    ]
