"""``POST /users/track`` and ``POST /users/track/bulk``. Braze: track users; create and update users (bulk)."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from profiles.api import descriptions
from profiles.api.requests import array_of, body_of, checked
from profiles.objects import AttributesObject, attributes_object, event_object, purchase_object
from profiles.push_tokens import unknown_apps
from profiles.subscriptions import unknown_groups
from profiles.tracking import Batch, Unchanged, track
from workspaces.rest import JsonParser, workspace_of

OBJECTS_LIMIT: Final = 75
BULK_OBJECTS_LIMIT: Final = 1_000
BULK_USER_LIMIT: Final = 100
BULK_BODY_LIMIT: Final = 2 * 1024 * 1024
NOTHING_USABLE: Final = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."
_ARRAYS: Final = ("attributes", "events", "purchases")


class TrackView(APIView):
    """Record custom events and purchases and update attributes.

    201 with the counts of what was used and, where some objects were not, ``errors``: why (``type``), in which array
    (``input_array``) and where in it (``index``, from 0). 400 when nothing could be used.

    Beyond Braze, an event or a purchase may carry an ``id`` of its own: then a request that is repeated after a
    time-out counts it once.
    """

    endpoint = "users.track"
    limit = OBJECTS_LIMIT

    @descriptions.track
    def post(self, request: Request) -> Response:
        body = body_of(request)
        errors: list[dict[str, Any]] = []
        arrays = {
            name: array_of(
                body, name, self.limit, f"Max Input Length Exceeded: '{name}' holds more than {self.limit} objects."
            )
            for name in _ARRAYS
        }
        batch = Batch(
            attributes=checked(list(enumerate(arrays["attributes"])), "attributes", _attributes, errors),
            events=checked(arrays["events"], "events", event_object, errors),
            purchases=checked(arrays["purchases"], "purchases", purchase_object, errors),
        )
        self.check(arrays, batch)
        if not any(True for _ in batch):
            answer: dict[str, Any] = {"message": NOTHING_USABLE}
            if errors:
                answer["errors"] = errors
            return Response(answer, status=status.HTTP_400_BAD_REQUEST)
        workspace_id = workspace_of(request).pk
        errors += _unknown_references(workspace_id, batch)
        errors += _unchanged(track(workspace_id, batch))
        return Response(_success(body, batch, errors), status=status.HTTP_201_CREATED)

    def check(self, arrays: dict[str, list[Any]], batch: Batch) -> None:
        """Refuse a request as a whole. Raises ParseError."""


class BulkParser(JsonParser):
    limit = BULK_BODY_LIMIT


class BulkTrackView(TrackView):
    """As ``/users/track``, for larger requests: 1,000 objects together, at most 100 of one user, 2 MB."""

    endpoint = "users.track.bulk"
    limit = BULK_OBJECTS_LIMIT
    parser_classes = [BulkParser]

    @descriptions.track_bulk
    def post(self, request: Request) -> Response:
        return super().post(request)

    def check(self, arrays: dict[str, list[Any]], batch: Batch) -> None:
        if sum(map(len, arrays.values())) > BULK_OBJECTS_LIMIT:
            raise exceptions.ParseError(
                f"Max Input Length Exceeded: the request holds more than {BULK_OBJECTS_LIMIT} objects."
            )
        busiest = Counter(one.identity for one in batch).most_common(1)
        if busiest and busiest[0][1] > BULK_USER_LIMIT:
            raise exceptions.ParseError(
                f"Max Input Length Exceeded: the request holds more than {BULK_USER_LIMIT} objects of one user."
            )


def _attributes(one: tuple[int, Any]) -> AttributesObject:
    number, source = one
    return attributes_object(source, number)


def _unchanged(found: Iterable[Unchanged]) -> list[dict[str, Any]]:
    """An error for each custom attribute that stays as it was (Braze ignores such a change, and says success)."""
    return [{"type": f"'{one.name}' {one.reason}", "input_array": "attributes", "index": one.number} for one in found]


def _unknown_references(workspace_id: int, batch: Batch) -> list[dict[str, Any]]:
    """An error for each subscription group and each push token's app that is none; the rest of the object is used."""
    groups = unknown_groups(workspace_id, {group for one in batch.attributes for group in one.subscriptions})
    apps = unknown_apps(workspace_id, {token.app_id for one in batch.attributes for token in one.push_tokens})
    if not groups and not apps:
        return []
    found: list[dict[str, Any]] = []
    for one in batch.attributes:
        words = [
            f"'{name}' is no subscription group of this workspace" for name in sorted(groups & {*one.subscriptions})
        ]
        tokens = {token.app_id for token in one.push_tokens}
        words += [f"'{app_id}' in 'push_tokens' is no app of this workspace" for app_id in sorted(apps & tokens)]
        found += [{"type": text, "input_array": "attributes", "index": one.number} for text in words]
    return found


def _success(body: dict[str, Any], batch: Batch, errors: list[dict[str, Any]]) -> dict[str, Any]:
    counts = {"attributes": batch.attributes, "events": batch.events, "purchases": batch.purchases}
    answer: dict[str, Any] = {"message": "success"}
    answer |= {f"{name}_processed": len(objects) for name, objects in counts.items() if body.get(name) is not None}
    if errors:
        answer["errors"] = errors
    return answer
