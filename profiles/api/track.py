"""``POST /users/track``. Braze: Track users."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.objects import BadObjectError, attributes_object, event_object, purchase_object
from profiles.tracking import Batch, track
from workspaces.rest import workspace_of

Checked = TypeVar("Checked")

OBJECTS_LIMIT: Final = 75
NOTHING_USABLE: Final = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."


class TrackView(APIView):
    """Record custom events and purchases and update attributes.

    201 with the counts of what was used and, where some objects were not, ``errors``: why (``type``), in which array
    (``input_array``) and where in it (``index``, from 0). 400 when nothing could be used.
    """

    endpoint = "users.track"

    def post(self, request: Request) -> Response:
        body = request.data
        if not isinstance(body, dict):
            raise exceptions.ParseError("The request body must be a JSON object.")
        errors: list[dict[str, Any]] = []
        batch = Batch(
            _checked(body, "attributes", attributes_object, errors),
            _checked(body, "events", event_object, errors),
            _checked(body, "purchases", purchase_object, errors),
        )
        if not any(True for _ in batch):
            answer: dict[str, Any] = {"message": NOTHING_USABLE}
            if errors:
                answer["errors"] = errors
            return Response(answer, status=status.HTTP_400_BAD_REQUEST)
        track(workspace_of(request).pk, batch)
        return Response(_success(body, batch, errors), status=status.HTTP_201_CREATED)


def _checked(
    body: dict[str, Any], name: str, check: Callable[[Any], Checked], errors: list[dict[str, Any]]
) -> list[Checked]:
    """The usable objects of one array of the body; why the others are not goes to ``errors``."""
    sources = body.get(name)
    if sources is None:
        return []
    if not isinstance(sources, list):
        raise exceptions.ParseError(f"'{name}' must be an array of objects.")
    if len(sources) > OBJECTS_LIMIT:
        raise exceptions.ParseError(f"Max Input Length Exceeded: '{name}' holds more than {OBJECTS_LIMIT} objects.")
    usable = []
    for index, source in enumerate(sources):
        try:
            usable.append(check(source))
        except BadObjectError as error:
            errors.append({"type": str(error), "input_array": name, "index": index})
    return usable


def _success(body: dict[str, Any], batch: Batch, errors: list[dict[str, Any]]) -> dict[str, Any]:
    counts = {"attributes": batch.attributes, "events": batch.events, "purchases": batch.purchases}
    answer: dict[str, Any] = {"message": "success"}
    answer |= {f"{name}_processed": len(objects) for name, objects in counts.items() if body.get(name) is not None}
    if errors:
        answer["errors"] = errors
    return answer
