"""Mixpanel's custom webhook: how a real Mixpanel project reaches us.

Mixpanel: Syncing cohorts to a custom webhook. ``members`` is a full copy in pages that replaces the cohort once all are
there; ``add_members`` and ``remove_members`` are differences. Answers have the form that Mixpanel shows its users.
"""

import binascii
from base64 import b64decode
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

from django.db import transaction
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from partners import changes, copies
from partners.metering import admit
from partners.mixpanel import openapi
from partners.mixpanel.members import as_groups, identifiers_of
from partners.models import Cohort, DataImportKey, Integration
from partners.validation import NAME_LIMIT, InvalidKey, storable

FULL_COPY: Final = "members"
ADD: Final = "add_members"
REMOVE: Final = "remove_members"
ACTIONS: Final = (FULL_COPY, ADD, REMOVE)

SESSION_LIMIT = 200
PAGES_LIMIT = 1_000_000
#: Mixpanel sends 1,000 at most; far more would make one fold long.
MEMBERS_LIMIT = 10_000


class Webhook(APIView):
    """``POST /partners/mixpanel/webhook/<integration id>``, HTTP Basic with a data import key as the password."""

    authentication_classes = ()
    permission_classes = ()

    @openapi.webhook
    def post(self, request: Request, integration_id: str) -> Response:
        """200 ``{"action", "status": "success"}``; a refusal is handled by ``handle_exception``."""
        key = _authenticate(request, integration_id)
        admit(key, self)
        body = request.data
        if not isinstance(body, dict):
            raise exceptions.ParseError("The request body must be a JSON object")
        message = _Message.read(body)
        with transaction.atomic():
            message.apply(key.integration)
        key.touch()
        return Response({"action": message.action, "status": "success"})

    def handle_exception(self, exc: Exception) -> Response:
        """The refusal in Mixpanel's form; Mixpanel shows its message in its own dashboard."""
        response = super().handle_exception(exc)
        message = response.data.get("message", "") if isinstance(response.data, dict) else ""
        response.data = {
            "action": self._action_asked_for(),
            "status": "failure",
            "error": {"message": message, "code": response.status_code},
        }
        if response.status_code == status.HTTP_401_UNAUTHORIZED:
            response["WWW-Authenticate"] = 'Basic realm="data import key"'
        return response

    def _action_asked_for(self) -> Any:
        """The body's ``action``, also when the request was refused before its body was looked at."""
        try:
            body = self.request.data
        except exceptions.APIException:
            return None
        return body.get("action") if isinstance(body, dict) else None


@dataclass(frozen=True)
class _Message:
    """One request of Mixpanel's, checked."""

    action: str
    cohort_id: str
    name: str
    description: str
    session_id: str
    page: int
    total_pages: int
    members: list[dict[str, Any]]

    @classmethod
    def read(cls, body: dict[str, Any]) -> "_Message":
        """Raises ParseError when the body is not of Mixpanel's form."""
        action, parameters = body.get("action"), body.get("parameters")
        if action not in ACTIONS:
            raise exceptions.ParseError("`action` must be one of members, add_members, remove_members")
        if not isinstance(parameters, dict):
            raise exceptions.ParseError("`parameters` must be an object")
        if action == FULL_COPY and ("members" not in parameters or parameters.get("page_info") is None):
            # Taken for an empty copy, such a message would empty the cohort.
            raise exceptions.ParseError("`members` and `page_info` are required when `action` is members")
        members = parameters.get("members", [])
        if not isinstance(members, list) or not all(isinstance(member, dict) for member in members):
            raise exceptions.ParseError("`members` must be an array of objects")
        if len(members) > MEMBERS_LIMIT:
            raise exceptions.ParseError(f"Only {MEMBERS_LIMIT:,} `members` are allowed per request")
        page, total = _pages(parameters.get("page_info"))
        cohort_id = _text(parameters, "mixpanel_cohort_id", changes.ID_LIMIT)
        if not cohort_id:
            raise exceptions.ParseError("`mixpanel_cohort_id` must be a non-empty string")
        session_id = _text(parameters, "mixpanel_session_id", SESSION_LIMIT)
        if total > 1 and not session_id:
            raise exceptions.ParseError("`mixpanel_session_id` is required when there is more than one page")
        name = _text(parameters, "mixpanel_cohort_name", NAME_LIMIT)
        description = _text(parameters, "mixpanel_cohort_description", 10_000)
        return cls(action, cohort_id, name, description, session_id, page, total, members)

    def apply(self, integration: Integration) -> None:
        """Append the message to the cohort's changes, or to its full copy."""
        groups = as_groups(self.members, identifiers_of(integration), remove=self.action == REMOVE)
        cohort = self._cohort(integration)
        if self.action != FULL_COPY:
            changes.append(cohort.pk, Cohort.Source.WEBHOOK, groups, self.session_id)
            return
        session_id = self.session_id or uuid4().hex
        run = copies.find_run(cohort.pk, session_id)
        if run is None:
            run = copies.open_copy(cohort.pk, Cohort.Source.WEBHOOK, session_id, self.total_pages)
        if run.total_pages != self.total_pages:
            raise exceptions.ParseError(f"`total_pages` was {run.total_pages} on an earlier page of this session")
        copies.add_page(run.pk, self.page, groups)

    def _cohort(self, integration: Integration) -> Cohort:
        cohort, is_new = Cohort.objects.get_or_create(
            integration=integration,
            cohort_id=self.cohort_id,
            defaults={
                "name": self.name or self.cohort_id,
                "description": self.description,
                "source": Cohort.Source.WEBHOOK,
            },
        )
        name = self.name or cohort.name
        if not is_new and (cohort.name, cohort.description) != (name, self.description):
            cohort.name, cohort.description = name, self.description
            cohort.save(update_fields=["name", "description"])
        return cohort


def _pages(info: Any) -> tuple[int, int]:
    """(this page's number, how many there are); differences without ``page_info`` are the only page."""
    if info is None:
        return 1, 1
    page, total = (info.get("page_count"), info.get("total_pages")) if isinstance(info, dict) else (None, None)
    # An empty cohort may come as page 1 of 0.
    total = 1 if total == 0 and type(total) is int else total
    if type(page) is not int or type(total) is not int or not 1 <= page <= total <= PAGES_LIMIT:
        raise exceptions.ParseError(
            "`page_info` must hold the whole numbers `total_pages` and `page_count`, counted from 1"
        )
    return page, total


def _text(parameters: dict[str, Any], name: str, limit: int) -> str:
    value = parameters.get(name)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise exceptions.ParseError(f"`{name}` must be a string")
    return storable(str(value), f"`{name}`", limit)


def _authenticate(request: Request, integration_id: str) -> DataImportKey:
    """The data import key that is the password. Raises InvalidKey, the same whatever is wrong."""
    try:
        wanted: UUID | None = UUID(integration_id)
    except ValueError:
        wanted = None
    key = DataImportKey.find(_password(request))
    if key is None or key.integration.api_id != wanted or key.integration.partner_slug != "mixpanel":
        raise InvalidKey(
            "Use HTTP Basic authentication with a valid data import key of this integration as the password"
        )
    return key


def _password(request: Request) -> str:
    scheme, _, credentials = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(credentials.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
