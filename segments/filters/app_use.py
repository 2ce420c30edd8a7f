"""When users used any app of the workspace first and last. Braze: segmentation filters, sessions."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from profiles.versions import Kind
from segments.filters.columns import MomentColumn

GROUP: Final = _("Sessions")


class FirstUsedApp(MomentColumn):
    key = "first_used_app"
    name = _("First Used App")
    group = GROUP
    column = shows = "first_used_at"
    depends_on = frozenset({Kind.USE})


class LastUsedApp(MomentColumn):
    key = "last_used_app"
    name = _("Last Used App")
    group = GROUP
    column = shows = "last_used_at"
    depends_on = frozenset({Kind.USE})


FILTERS: Final = (FirstUsedApp(), LastUsedApp())
