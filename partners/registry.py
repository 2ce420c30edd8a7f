"""The partners that we know. A new partner is a new folder and one line in ``PARTNERS``.

A folder has ``partner.py`` with ``PARTNER``, and as needed, under the names that every app uses: ``urls.py``
(``urlpatterns``: its own ways in), ``tasks.py``, ``schedules.py`` (``SCHEDULES``) and ``screens.py`` (what its page has
beyond the others, see ``partners.admin.own``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Final

from django.utils.functional import Promise

PARTNERS: Final = (
    "partners.mixpanel",
    "partners.segment",
    "partners.amplitude",
    "partners.heap",
    "partners.hightouch",
    "partners.census",
)
#: Partners that a workspace names itself: their folder holds what they have in common.
CUSTOM: Final = "partners.custom"


@dataclass(frozen=True)
class Partner:
    """An outside product with a page under Partner Integrations.

    ``supports`` names the ways in beside the partner cohort API, which every partner has: "webhook", "pull".
    """

    slug: str
    name: str
    blurb: str | Promise
    icon: str
    supports: frozenset[str] = field(default_factory=frozenset)
    is_custom: bool = False

    @property
    def cohort_filter_name(self) -> str:
        """The segment filter over this partner's cohorts, as Braze names it."""
        return f"{self.name} Cohorts"


def partners() -> Iterator[Partner]:
    """All registered partners, in the order of ``PARTNERS``."""
    for folder in PARTNERS:
        yield import_module(f"{folder}.partner").PARTNER


def partner(slug: str) -> Partner | None:
    """The partner with that slug, or None."""
    return next((one for one in partners() if one.slug == slug), None)


def custom_partner(slug: str, name: str) -> Partner:
    """A partner that a workspace has named itself."""
    template: Partner = import_module(f"{CUSTOM}.partner").PARTNER
    return replace(template, slug=slug, name=name)


def modules(name: str) -> Iterator[tuple[Partner, ModuleType]]:
    """The module ``name`` of each partner that has one, such as "urls" or "tasks"."""
    for folder in (*PARTNERS, CUSTOM):
        if find_spec(f"{folder}.{name}"):
            yield import_module(f"{folder}.partner").PARTNER, import_module(f"{folder}.{name}")
