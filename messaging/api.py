"""``/campaigns/list``, ``/campaigns/details``, ``/canvas/list``, ``/canvas/details``.

Braze: export campaigns list, export campaign details, export Canvas list, export Canvas details. What only sending
would tell (first and last sent, the schedule, conversions) is null or empty: these are drafts.
"""

import re
import uuid
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, TypeVar

from django.db.models import QuerySet
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from messaging import openapi
from messaging.messages import Message, stored
from messaging.models import Campaign, Canvas, Engagement
from segments.edited_api import iso, one_of, page_of
from workspaces.rest import workspace_of

#: As documented, with or without an offset; an offset's "+" may have arrived as a space, and its hour in one digit.
_TIME: Final = re.compile(
    r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3}|\.\d{6})?)(?:Z|([ +-])(\d{1,2}):?(\d\d))?", re.ASCII
)
Kind = TypeVar("Kind", bound=Engagement)


class CampaignList(APIView):
    """Campaigns, 100 a page, oldest first unless ``sort_direction=desc``."""

    endpoint = "campaigns.list"

    @openapi.campaign_list
    def get(self, request: Request) -> Response:
        found = [{**_listed(one), "is_api_campaign": False} for one in _asked(Campaign, request)]
        return Response({"message": "success", "campaigns": found})


class CanvasList(APIView):
    """Canvases, 100 a page, oldest first unless ``sort_direction=desc``."""

    endpoint = "canvas.list"

    @openapi.canvas_list
    def get(self, request: Request) -> Response:
        return Response({"message": "success", "canvases": [_listed(one) for one in _asked(Canvas, request)]})


class Details(APIView):
    """What details of both kinds share."""

    id_name: ClassVar[str]

    def find(self, model: type[Kind], request: Request) -> Kind:
        """The one that the query names. Raises ParseError when it is not one of this workspace's."""
        _flag(request, "post_launch_draft_version")
        mine = model._default_manager.filter(workspace=workspace_of(request))
        return one_of(mine, self.id_name, request.query_params.get(self.id_name, ""))


class CampaignDetails(Details):
    """One campaign by ``campaign_id``, with what its messages say."""

    endpoint = "campaigns.details"
    id_name = "campaign_id"

    @openapi.campaign_details
    def get(self, request: Request) -> Response:
        campaign = self.find(Campaign, request)
        return Response(
            {
                **_details(campaign),
                "first_sent": None,
                "last_sent": None,
                "messages": {one.id: _said(one) for one in stored(campaign.messages)},
                "conversion_behaviors": [],
            }
        )


class CanvasDetails(Details):
    """One Canvas by ``canvas_id``, with its steps in their order."""

    endpoint = "canvas.details"
    id_name = "canvas_id"

    @openapi.canvas_details
    def get(self, request: Request) -> Response:
        canvas = self.find(Canvas, request)
        messages = stored(canvas.messages)
        first = [one.id for one in messages[:1]]
        variant = {"name": "Variant 1", "id": _derived(canvas.api_id, "variant"), "first_step_ids": first}
        return Response(
            {
                **_details(canvas),
                "first_entry": None,
                "last_entry": None,
                "variants": [{**variant, "first_step_id": first[0]} if first else variant],
                "steps": [
                    _step(one, following.id if following else None)
                    for one, following in zip(messages, [*messages[1:], None], strict=False)
                ],
            }
        )


def _asked(model: type[Kind], request: Request) -> QuerySet[Kind]:
    """The page that the query asks for. Raises ParseError naming the parameter that is wrong."""
    mine = model._default_manager.filter(workspace=workspace_of(request))
    if not _flag(request, "include_archived"):
        mine = mine.filter(archived_at=None)
    if since := request.query_params.get("last_edit.time[gt]"):
        mine = mine.filter(edited_at__gt=_time(since))
    return page_of(request, mine.only("api_id", "name", "tags", "edited_at"))


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "false").lower()
    if text not in ("true", "false"):
        raise exceptions.ParseError(f"{name} must be true or false")
    return text == "true"


def _time(text: str) -> datetime:
    """A time of the query; without an offset it is UTC."""
    found = _TIME.fullmatch(text)
    try:
        if not found:
            raise ValueError
        stamp, sign, hours, minutes = found.groups()
        offset = f"{sign.replace(' ', '+')}{hours:0>2}:{minutes}" if sign else "+00:00"
        return datetime.fromisoformat(f"{stamp}{offset}").astimezone(UTC)
    except (ValueError, OverflowError):
        message = "last_edit.time[gt] must be a time such as 2020-06-28T23:59:59 or 2020-06-28T23:59:59-05:00"
        raise exceptions.ParseError(message) from None


def _listed(one: Engagement) -> dict[str, Any]:
    return {"id": str(one.api_id), "name": one.name, "last_edited": iso(one.edited_at), "tags": one.tags}


def _details(one: Engagement) -> dict[str, Any]:
    return {
        "message": "success",
        "created_at": iso(one.created_at),
        "updated_at": iso(one.edited_at),
        "name": one.name,
        "description": one.description,
        "archived": one.archived_at is not None,
        "draft": True,
        "enabled": False,
        "has_post_launch_draft": False,
        "schedule_type": None,
        "channels": list(dict.fromkeys(message.channel for message in stored(one.messages))),
        "tags": one.tags,
        "teams": [],
    }


def _said(message: Message) -> dict[str, Any]:
    return {"channel": message.channel, "name": message.name, **message.parts}


def _step(message: Message, following: str | None) -> dict[str, Any]:
    """A message step. Its message has an id of its own, made from the step's."""
    return {
        "name": message.name,
        "type": "message",
        "id": message.id,
        "next_step_ids": [following] if following else [],
        "next_paths": [{"name": None, "next_step_id": following}] if following else [],
        "channels": [message.channel],
        "messages": {_derived(uuid.UUID(message.id), "message"): _said(message)},
    }


def _derived(api_id: uuid.UUID, what: str) -> str:
    return str(uuid.uuid5(api_id, what))
