"""Tells the floor below which segments use a cohort, so that archiving one can warn."""

from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from partners.models import Cohort
from partners.usage import Use, register
from segments.filters.cohorts import key_of
from segments.models import Segment
from segments.words import tree_of


@register
def segments_using(cohort: Cohort) -> list[Use]:
    """The segments, not archived, with a filter that names ``cohort``."""
    key = key_of(cohort.integration.partner_slug)
    segments = Segment.objects.filter(workspace=cohort.integration.workspace_id, archived_at=None).order_by("name")
    return [
        Use(_("Segment"), segment.name, reverse("admin:segments_segment_change", args=[segment.pk]))
        for segment in segments.only("name", "filters")
        if any(
            leaf.filter == key and cohort.cohort_id in _values(leaf.value) for leaf in tree_of(segment.filters).leaves()
        )
    ]


def _values(value: object) -> list[object]:
    return value if isinstance(value, list) else []
