"""What users' installs were attributed to. Braze: segmentation filters, install attribution."""

from collections.abc import Sequence
from typing import Final

from django.utils.translation import gettext_lazy as _

from profiles.attributions import FIELD
from profiles.models import Profile
from profiles.versions import Kind
from segments.filters.base import Context, Leaf, Text
from segments.filters.columns import TextColumn
from segments.filters.facts import Fact, value_fact

GROUP: Final = _("Install Attribution")


class InstallAttribution(TextColumn):
    """One member of it."""

    group = GROUP
    depends_on = frozenset({Kind.ATTRIBUTION})
    offers_values = True

    def __init__(self, member: str, name: Text) -> None:
        self.key, self.name, self.member = f"install_attribution_{member}", name, member
        self.column = f"coalesce(other_fields #>> '{{{FIELD},{member}}}', '')"

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        told = profile.other_fields.get(FIELD, {}).get(self.member)
        return {leaf.id: [value_fact(told)] for leaf in leaves}


FILTERS: Final = (
    InstallAttribution("ad", _("Install Attribution Ad")),
    InstallAttribution("adgroup", _("Install Attribution Adgroup")),
    InstallAttribution("campaign", _("Install Attribution Campaign")),
    InstallAttribution("source", _("Install Attribution Source")),
)
