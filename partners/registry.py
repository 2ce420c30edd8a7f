"""The partners that we know. A new partner is a new folder with a ``partner.py`` and one line in ``PARTNERS``."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from typing import Final

from django.utils.functional import Promise

PARTNERS: Final = ("partners.mixpanel", "partners.segment")


@dataclass(frozen=True)
class Partner:
    """An outside product with a page under Partner Integrations.

    ``template`` draws what only this partner's page has, below what all have. ``supports`` names the ways in beside the
    partner cohort API, which every partner has: "webhook", "pull".
    """

    slug: str
    name: str
    blurb: str | Promise
    icon: str
    supports: frozenset[str] = field(default_factory=frozenset)

    @property
    def cohort_filter_name(self) -> str:
        """The segment filter over this partner's cohorts, as Braze names it."""
        return f"{self.name} Cohorts"


def partners() -> Iterator[Partner]:
    """All registered partners, in the order of ``PARTNERS``."""
    for module in PARTNERS:
        yield import_module(f"{module}.partner").PARTNER


def partner(slug: str) -> Partner | None:
    """The partner with that slug, or None."""
    return next((one for one in partners() if one.slug == slug), None)
