"""The partners that we know. A new partner is a new folder and one line in ``PARTNERS``.

A folder has ``partner.py`` with ``PARTNER``, and as needed, under the names that every app uses: ``urls.py``
(``urlpatterns``: its own ways in), ``tasks.py``, ``schedules.py`` (``SCHEDULES``) and ``screens.py`` (what its page has
beyond the others, see ``partners.admin.own``).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Final

from django.utils.functional import Promise

PARTNERS: Final = ("partners.mixpanel", "partners.segment")


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


def modules(name: str) -> Iterator[tuple[Partner, ModuleType]]:
    """The module ``name`` of each partner that has one, such as "urls" or "tasks"."""
    for folder, one in zip(PARTNERS, partners(), strict=True):
        if find_spec(f"{folder}.{name}"):
            yield one, import_module(f"{folder}.{name}")
