"""``POST /segments/preview``: what a filter tree comes to, for programs. Our own; Braze has nothing like it."""

from datetime import UTC
from typing import Any

from django.utils import translation
from rest_framework import exceptions
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.sets import ProfileSet
from segments import openapi
from segments.engine import Step, evaluate
from segments.reach import Reach
from segments.tree import Problem, TreeError, parse
from workspaces.rest import workspace_of


class SegmentPreview(APIView):
    """How many users a filter tree matches: in total, after every row and exclusion group, and by channel.

    Nothing is saved. A filter may have been answered a moment ago: `calculated_at` is when the oldest answer was found,
    and `fresh` asks for all of them anew. A filter that points to something archived or gone is named in `problems`,
    and counts that it has a part in are null. The form of `filters` is that of the segment builder.
    """

    endpoint = "segments.preview"

    @openapi.segment_preview
    def post(self, request: Request) -> Response:
        body = request.data
        if not isinstance(body, dict) or "filters" not in body:
            raise exceptions.ParseError("filters is required: an object with rows, exclude and apps")
        channels, fresh = _flag(body, "channels"), _flag(body, "fresh")
        workspace = workspace_of(request)
        # The wire speaks English whatever language the client prefers.
        with translation.override("en"):
            try:
                tree = parse(body["filters"])
            except TreeError as error:
                return Response({"message": str(error), "problems": _problems(error.problems)}, status=400)
            found = evaluate(tree, workspace, fresh=fresh)
        reach = Reach(workspace.pk, fresh) if channels else None
        groups = {row.id for group in tree.exclude for row in group.rows}
        return Response(
            {
                "message": "success",
                "live": len(found.live),
                "total": _count(found.final),
                "channels": _channels(found.final, reach),
                "rows": [_step(step, reach) for step in found.rows if step.id not in groups],
                "exclude": [_step(step, reach) for step in found.exclude],
                "problems": _problems(found.problems),
                "waiting": found.waiting,
                "calculated_at": found.moment.astimezone(UTC).isoformat(timespec="milliseconds"),
            }
        )


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise exceptions.ParseError(f"{name} must be true or false")
    return value


def _count(users: ProfileSet | None) -> int | None:
    return None if users is None else len(users)


def _channels(users: ProfileSet | None, reach: Reach | None) -> dict[str, int] | None:
    return None if users is None or reach is None else reach.of(users)


def _step(step: Step, reach: Reach | None) -> dict[str, Any]:
    return {"id": step.id, "users": _count(step.users), "channels": _channels(step.users, reach)}


def _problems(problems: list[Problem]) -> list[dict[str, str]]:
    return [{"place": one.place, "filter_id": one.leaf_id, "message": one.message} for one in problems]
