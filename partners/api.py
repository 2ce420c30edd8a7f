"""The partner cohort API: partners name cohorts and say who entered or left them.

Braze: partner cohort import. Both keys come in the body. A request is authenticated, checked and appended to the change
log in one short transaction; a refused request changes nothing.
"""

import hmac
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NoReturn

from django.db import transaction
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from partners import changes, openapi
from partners.metering import admit
from partners.models import Cohort, DataImportKey, Integration
from partners.registry import partner
from partners.validation import InvalidKey, body_of, changes_of, cohort_id_of, created_at_of, name_of
from workspaces.keys import describe_key, digest_of

_SLUG = re.compile(r"[-a-zA-Z0-9_]{1,50}")
_SUCCESS = {"message": "success"}


class PartnerView(ABC, APIView):
    """A request of a partner. Its keys are in the body, so none of the usual authentication applies."""

    authentication_classes = ()
    permission_classes = ()

    def post(self, request: Request, partner_slug: str) -> Response:
        """201, or 401 / 400 / 404 / 429 with the reason; see ``handle``."""
        if not is_partner(partner_slug):
            raise NotFound(f"There is no partner named {partner_slug[:50]}")
        body = body_of(request.data)
        key = _authenticate(body, partner_slug)
        admit(key, self)
        if key.integration.partner_key_digest is None:
            with transaction.atomic():
                self.handle(key.integration, body)
                _adopt_partner_key(key.integration, body)
        else:
            self.handle(key.integration, body)
        key.touch()
        return Response(_SUCCESS, status=status.HTTP_201_CREATED)

    @abstractmethod
    def handle(self, integration: Integration, body: Mapping[str, Any]) -> None:
        """Check the body and do what it asks, in one transaction. Raises ParseError before anything is written."""


class CohortName(PartnerView):
    """``POST /partners/<partner>/cohorts``: gives a cohort its name. Repeating it is harmless."""

    @openapi.cohort_name
    def post(self, request: Request, partner_slug: str) -> Response:
        return super().post(request, partner_slug)

    def handle(self, integration: Integration, body: Mapping[str, Any]) -> None:
        cohort_id, name, created_at = cohort_id_of(body), name_of(body), created_at_of(body)
        cohort, is_new = Cohort.objects.get_or_create(
            integration=integration, cohort_id=cohort_id, defaults={"name": name, "created_at": created_at}
        )
        if not is_new and (cohort.name, cohort.created_at) != (name, created_at):
            cohort.name, cohort.created_at = name, created_at
            cohort.save(update_fields=["name", "created_at"])


class CohortUsers(PartnerView):
    """``POST /partners/<partner>/cohorts/users``: adds users to a cohort and removes users from it."""

    @openapi.cohort_users
    def post(self, request: Request, partner_slug: str) -> Response:
        return super().post(request, partner_slug)

    def handle(self, integration: Integration, body: Mapping[str, Any]) -> None:
        cohort_id, groups = cohort_id_of(body), changes_of(body)
        # One statement is a transaction of its own: it is not wrapped, which would be a third of the time.
        if changes.append_pushed(integration.pk, cohort_id, groups):
            return
        # Partners test a key by sending no changes for a cohort that does not exist: that makes none.
        if changes.count(groups):
            with transaction.atomic():
                Cohort.objects.get_or_create(integration=integration, cohort_id=cohort_id, defaults={"name": cohort_id})
                changes.append_pushed(integration.pk, cohort_id, groups)


def is_partner(slug: str) -> bool:
    """Whether there is such a partner: a registered one, or one that some workspace has named itself."""
    if partner(slug) is not None:
        return True
    # Part of an address, so it may be anything; what no slug holds, PostgreSQL may not even be able to look for.
    return _SLUG.fullmatch(slug) is not None and Integration.objects.filter(partner_slug=slug).exists()


def _authenticate(body: Mapping[str, Any], partner_slug: str) -> DataImportKey:
    """The import key that ``client_secret`` is, if the partner's own key fits too. Raises InvalidKey."""
    secret, partner_key = body.get("client_secret"), body.get("partner_api_key")
    key = DataImportKey.find(secret) if isinstance(secret, str) else None
    if key is None:
        _refuse("Invalid client secret")
    if key.integration.partner_slug != partner_slug:
        _refuse(f"Partner not enabled for client: this client secret is not one of {partner_slug}")
    stored = key.integration.partner_key_digest
    if not isinstance(partner_key, str) or not partner_key or (stored and not _fits(partner_key, stored)):
        _refuse("Invalid Partner API key")
    return key


def _adopt_partner_key(integration: Integration, body: Mapping[str, Any]) -> None:
    """Adopt the partner's key, as the integration has none. Of two that arrive at once, one is refused.

    Braze gives partners their key; an integration without one takes the first that has a valid import key.
    """
    key = describe_key(body["partner_api_key"])
    unclaimed = Integration.objects.filter(pk=integration.pk, partner_key_digest=None)
    if unclaimed.update(partner_key_prefix=key.prefix, partner_key_digest=key.digest):
        return
    integration.refresh_from_db(fields=["partner_key_digest"])
    if not integration.partner_key_digest or not _fits(body["partner_api_key"], integration.partner_key_digest):
        _refuse("Invalid Partner API key")


def _fits(secret: str, digest: bytes | memoryview) -> bool:
    return hmac.compare_digest(digest_of(secret), bytes(digest))


def _refuse(message: str) -> NoReturn:
    raise InvalidKey(message)
