"""User Is In List: users whose external ids somebody pasted or uploaded (``segments.lists``)."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from django.contrib.humanize.templatetags.humanize import intcomma
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from profiles.sets import ProfileSet, profile_ids
from profiles.versions import Kind
from segments.filters.api_ids import by_api_id
from segments.filters.base import Context, Filter, Leaf, Operator, UnusableError
from segments.filters.values import MissingError, Value
from segments.lists.stores import UserList

GROUP: Final = _("Segment or CSV Membership")


@dataclass(frozen=True)
class ListId(Value):
    """The id of a list, which is uploaded before."""

    widget: ClassVar[str] = "list"

    def check(self, value: Any) -> str:
        if value in (None, ""):
            raise MissingError(_now("Paste or upload a list of ids."))
        try:
            return str(uuid.UUID(value))
        except (ValueError, AttributeError, TypeError):
            raise ValueError(_now("Give the id of a list of users.")) from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "uuid"}

    def words(self, value: Any, labels: dict[str, str]) -> str:
        return f"“{labels.get(value, value)}”"

    def named(self, value: Any) -> list[str]:
        return [value] if isinstance(value, str) else []


class UserIsInList(Filter):
    key = "user_is_in_list"
    name = _("User Is In List")
    group = GROUP
    shows = "external_id"
    #: Lists never change; whom their ids name does.
    depends_on = frozenset({Kind.IDENTITY})
    operators = (
        Operator("is_in", _("is in"), ListId()),
        Operator("is_not_in", _("is not in"), ListId(), negates="is_in"),
    )

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        known = _lists(context.workspace_id, [leaf.value for leaf in leaves])
        return [_users(known[leaf.value], context) if leaf.value in known else _gone() for leaf in leaves]

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        known = _lists(workspace_id, [leaf.value for leaf in leaves])
        return {leaf.id: _gone() for leaf in leaves if leaf.value not in known}

    def labels(self, workspace_id: int, values: Collection[str]) -> dict[str, str]:
        return {api_id: label_of(one) for api_id, one in _lists(workspace_id, values).items()}


def label_of(one: UserList) -> str:
    """How a list is called: by the file that it came from, and how many ids it has."""
    said = ngettext("%(count)s id", "%(count)s ids", one.count) % {"count": intcomma(one.count)}
    return f"{one.name} ({said})" if one.name else said


def _lists(workspace_id: int, api_ids: Collection[str]) -> dict[str, UserList]:
    """The lists with these ids, by id; without what is in them. One query."""
    return by_api_id(UserList.objects.filter(workspace=workspace_id).defer("ids"), api_ids)


def _users(one: UserList, context: Context) -> ProfileSet:
    # Joined, not compared with an array: PostgreSQL would look through a long one for every user.
    named = "SELECT unnest(ids) FROM segments_userlist WHERE id = %s"
    return profile_ids(f"workspace_id = %s AND external_id IN ({named})", [context.workspace_id, one.pk])


def _gone() -> UnusableError:
    return UnusableError(_now("The list of ids does not exist any more. Upload it again or remove the filter."))


FILTERS: Final = (UserIsInList(),)
