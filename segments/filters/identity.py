"""What users are called, and what we note of every one. Braze: segmentation filters, other filters."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import connection
from django.utils.translation import gettext_lazy as _

from profiles.models import RANDOM_BUCKETS, Alias, Profile
from profiles.sets import ProfileSet, profile_ids
from profiles.versions import Kind
from segments.filters import comparing
from segments.filters.base import Context, Leaf, Operator, Option, ProfileFilter
from segments.filters.columns import MomentColumn, TextColumn, WholeNumber, YesOrNoColumn
from segments.filters.comparing import Condition, Expression
from segments.filters.facts import Fact, names_fact
from segments.filters.subjects import About, OneOf
from segments.filters.values import Several, Text

GROUP: Final = _("Other Filters")


class ExternalUserId(TextColumn):
    key = "external_user_id"
    name = _("External User ID")
    group = GROUP
    column = shows = "external_id"
    depends_on = frozenset({Kind.IDENTITY})


class BrazeId(ProfileFilter):
    """Every user has one."""

    key = "braze_id"
    name = _("Braze ID")
    group = GROUP
    shows = "braze_id"
    depends_on = frozenset({Kind.IDENTITY})
    operators = comparing.EQUALITY

    def condition(self, leaf: Leaf, context: Context) -> Condition:
        return comparing.text_condition(leaf, Expression("braze_id"))


class UserAlias(ProfileFilter):
    """The names of users under one alias label. Braze: user aliases."""

    key = "user_alias"
    name = _("User Alias")
    group = GROUP
    subject = OneOf(member="label", label=_("Search for an alias label"), missing=_("Choose an alias label."))
    depends_on = frozenset({Kind.IDENTITY})
    operators = (
        Operator("equals", _("equals"), Text()),
        Operator("does_not_equal", _("does not equal"), Text(), negates="equals"),
        Operator("is_any_of", _("is any of"), Several()),
        Operator("is_none_of", _("is none of"), Several(), negates="is_any_of"),
        *comparing.PATTERNS,
        Operator("is_not_blank", _("is not blank")),
        Operator("is_blank", _("is blank"), negates="is_not_blank"),
    )

    def condition(self, leaf: Leaf, context: Context) -> Condition:
        if leaf.operator == "is_not_blank":
            return "true", []
        return comparing.text_condition(leaf, Expression("name"))

    def users(self, leaf: Leaf, context: Context) -> ProfileSet:
        condition, params = self.condition(leaf, context)
        return profile_ids(
            f"workspace_id = %s AND label = %s AND {condition}",
            [context.workspace_id, (leaf.subject or {})["label"], *params],
            source="profiles_alias",
            column="profile_id",
        )

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        found = list(Alias.objects.filter(profile=profile).values_list("label", "name"))
        return {
            leaf.id: [names_fact(name for label, name in found if label == (leaf.subject or {})["label"])]
            for leaf in leaves
        }

    def search_subjects(
        self, workspace_id: int, query: str, limit: int, member: str = "", subject: About | None = None
    ) -> list[Option]:
        wanted = query.strip().casefold()
        return [Option(one, one) for one in _labels(workspace_id) if wanted in one.casefold()][:limit]


def _labels(workspace_id: int) -> list[str]:
    """The alias labels of the workspace: steps from one to the next in their index, so it costs a probe per label."""
    step = "SELECT min(label) FROM profiles_alias WHERE workspace_id = %s AND label > "
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH RECURSIVE labels(one, number) AS (
                SELECT ({step} ''), 1 UNION ALL SELECT ({step} one), number + 1 FROM labels
                WHERE one IS NOT NULL AND number < 1000
            ) SELECT one FROM labels WHERE one IS NOT NULL
            """,  # noqa: S608 - a constant
            [workspace_id, workspace_id],
        )
        return [label for (label,) in cursor.fetchall()]


class EmailAddress(TextColumn):
    key = "email_address"
    name = _("Email Address")
    group = GROUP
    column = shows = "email"
    depends_on = frozenset({Kind.ATTRIBUTES})


class PhoneNumber(TextColumn):
    key = "phone_number"
    name = _("Phone Number")
    group = GROUP
    column = shows = "phone"
    depends_on = frozenset({Kind.ATTRIBUTES})


class RandomBucket(ProfileFilter):
    """A number from 0 to 9,999 that every user has. Braze: random bucket numbers."""

    key = "random_bucket"
    name = _("Random Bucket #")
    group = GROUP
    shows = "random_bucket"
    depends_on = frozenset({Kind.IDENTITY})
    _bucket = WholeNumber(most=RANDOM_BUCKETS - 1)
    operators = (
        Operator("exactly", _("is exactly"), _bucket),
        Operator("more_than", _("is more than"), _bucket),
        Operator("less_than", _("is less than"), _bucket),
        Operator("at_least", _("is at least"), _bucket),
        Operator("at_most", _("is at most"), _bucket),
    )

    def condition(self, leaf: Leaf, context: Context) -> Condition:
        return comparing.number_condition(leaf, Expression("random_bucket"))


class CreatedAt(MomentColumn):
    key = "created_at"
    name = _("Created At")
    group = GROUP
    column = shows = "created_at"
    depends_on = frozenset({Kind.IDENTITY})


class TestUser(YesOrNoColumn):
    """Users whom somebody has marked as test users of their workspace."""

    __test__ = False
    key = "test_user"
    name = _("Test User")
    group = GROUP
    shows = "is_test_user"
    depends_on = frozenset({Kind.ATTRIBUTES})
    true_if = "is_test_user"


FILTERS: Final[tuple[Any, ...]] = (
    ExternalUserId(),
    UserAlias(),
    BrazeId(),
    EmailAddress(),
    PhoneNumber(),
    CreatedAt(),
    RandomBucket(),
    TestUser(),
)
