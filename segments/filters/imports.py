"""Updated/Imported from CSV: users whom a row of an import made or changed. Braze: segmentation filters."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from django.db.models import QuerySet
from django.utils.formats import date_format
from django.utils.timezone import localtime
from django.utils.translation import gettext as _now
from django.utils.translation import gettext_lazy as _

from profiles.models import Profile
from profiles.sets import ProfileSet, profile_ids
from profiles.stores import ImportedUser, UserImport
from profiles.versions import Kind
from segments.filters.base import Context, Filter, Leaf, Operator, Option, UnusableError
from segments.filters.facts import Fact, names_fact
from segments.filters.subjects import About
from segments.filters.user_lists import GROUP
from segments.filters.values import Several


class ImportedFromCsv(Filter):
    """A leaf names imports by their ids; it is their union."""

    key = "imported_from_csv"
    name = _("Updated/Imported from CSV")
    group = GROUP
    depends_on = frozenset({Kind.IMPORTS})
    operators = (
        Operator("includes", _("includes"), Several(search=True)),
        Operator("does_not_include", _("does not include"), Several(search=True), negates="includes"),
    )

    def find(self, leaves: Sequence[Leaf], context: Context) -> list[ProfileSet | UnusableError]:
        broken = self.unusable(context.workspace_id, leaves)
        return [broken.get(leaf.id) or self._find_one(leaf) for leaf in leaves]

    @staticmethod
    def _find_one(leaf: Leaf) -> ProfileSet:
        ids = [int(one) for one in leaf.value]
        return profile_ids("user_import_id = ANY(%s)", [ids], source="profiles_importeduser", column="profile_id")

    def unusable(self, workspace_id: int, leaves: Sequence[Leaf]) -> dict[str, UnusableError]:
        known = self.labels(workspace_id, {one for leaf in leaves for one in leaf.value})
        missing = {leaf.id: [one for one in leaf.value if one not in known] for leaf in leaves}
        message = _now("There is no import with the id “%(id)s”. Choose another one or remove it.")
        return {leaf_id: UnusableError(message % {"id": ids[0]}) for leaf_id, ids in missing.items() if ids}

    def facts(self, leaves: Sequence[Leaf], profile: Profile, context: Context) -> dict[str, list[Fact]]:
        rows = ImportedUser.objects.filter(profile=profile).select_related("user_import")
        names = [_name(one.user_import) for one in rows]
        return {leaf.id: [names_fact(names)] for leaf in leaves}

    def search(self, workspace_id: int, query: str, limit: int, subject: About | None = None) -> list[Option]:
        """Imports that have written users, by the names of their files, the newest first."""
        found = _imports(workspace_id).filter(file_name__icontains=query.strip()).order_by("-pk")[:limit]
        return [Option(str(one.pk), one.file_name, _moment(one)) for one in found]

    def labels(self, workspace_id: int, values: Collection[str]) -> dict[str, str]:
        found = _imports(workspace_id).filter(pk__in=_numbers(values))
        return {str(one.pk): _name(one) for one in found}


def _imports(workspace_id: int) -> QuerySet[UserImport]:
    states = UserImport.State
    running = [states.RUNNING, states.DONE, states.FAILED, states.CANCELLED]
    return UserImport.objects.filter(workspace=workspace_id, state__in=running)


def _numbers(values: Iterable[str]) -> list[int]:
    """The ids among texts that may be anything; longer ones than an id can be are none."""
    return [int(one) for one in values if one.isascii() and one.isdecimal() and len(one) < 19]


def _name(one: UserImport) -> str:
    return f"{one.file_name} ({_moment(one)})"


def _moment(one: UserImport) -> str:
    return date_format(localtime(one.made_at), "DATETIME_FORMAT")


FILTERS: Final = (ImportedFromCsv(),)
