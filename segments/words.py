"""Filter trees in words: for the list, the history and ``/segments/details``."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from django.utils.translation import gettext as _

from segments.filters.base import Filter, Leaf
from segments.filters.registry import filter_of, names_in
from segments.tree import Row, Tree, TreeError, read
from workspaces.models import App


def tree_of(data: object) -> Tree:
    """A stored tree for reading; one that cannot be read any more is an empty one."""
    try:
        return read(data)[0]
    except TreeError:
        return Tree()


class Words:
    """Says trees of one workspace in words. The names of all their values are looked up at once."""

    def __init__(self, workspace_id: int, trees: Iterable[Tree]) -> None:
        trees = list(trees)
        self.names = names_in(workspace_id, {leaf.filter for tree in trees for leaf in tree.leaves()})
        self.labels = _labels(workspace_id, [leaf for tree in trees for leaf in tree.leaves()])
        api_ids = {one for tree in trees for one in tree.apps or ()}
        apps = App.objects.filter(workspace=workspace_id, api_id__in=api_ids) if api_ids else []
        self.apps = {str(app.api_id): app.name for app in apps}

    def leaf(self, leaf: Leaf) -> str:
        """One filter, such as: Mixpanel Cohorts includes “Example”."""
        found = filter_of(leaf.filter)
        operator = found.operator(leaf.operator, leaf.subject) if found else None
        if found is None or operator is None:
            return leaf.filter
        try:
            value = operator.value.words(operator.value.check(leaf.value), self.labels.get(leaf.filter, {}))
        except ValueError:
            value = "…"
        # An operator like "more than … ago" says where its value goes.
        said = str(operator.name)
        predicate = said.replace("…", value) if "…" in said else f"{said} {value}".rstrip()
        return f"{self._subject(leaf, found)} {predicate}"

    def _subject(self, leaf: Leaf, found: Filter) -> str:
        name = str(self.names.get(leaf.filter, found.name))
        if found.subject is None:
            return name
        try:
            about = found.subject.words(found.subject.check(leaf.subject), self.labels.get(subjects_of(found.key), {}))
        except ValueError:
            about = "…"
        return about if found.subject.says_all else f"{name} {about}"

    def row(self, row: Row) -> str:
        return _(" OR ").join(self.leaf(leaf) for leaf in row.leaves)

    def lines(self, tree: Tree) -> list[str]:
        """The tree as one line per row, for people."""
        return [*self._used(tree), *map(self.row, tree.rows), *self._left_out(tree)]

    def sentence(self, tree: Tree) -> str:
        """The tree in one line."""
        around = [self._used(tree), self._left_out(tree)]
        rows = self._parts(tree.rows, alone=not any(around))
        return _(" AND ").join([*around[0], *rows, *around[1]]) or _("All users")

    def _used(self, tree: Tree) -> list[str]:
        if tree.apps is None:
            return []
        names = ", ".join(f"“{self.apps.get(one, one)}”" for one in tree.apps)
        return [_("Used the app %(apps)s") % {"apps": names}]

    def _left_out(self, tree: Tree) -> list[str]:
        groups = [_(" AND ").join(self._parts(group.rows)) for group in tree.exclude]
        return [_("Leave out: %(filters)s") % {"filters": rows} for rows in groups]

    def _parts(self, rows: Sequence[Row], *, alone: bool = True) -> list[str]:
        """Rows to be joined in one line: OR stands in brackets where an AND stands beside it."""
        plain = alone and len(rows) == 1
        return [self.row(row) if plain or len(row.leaves) == 1 else f"({self.row(row)})" for row in rows]


def subjects_of(filter_key: str) -> str:
    """The key in ``Words.labels`` of what that filter's subjects are called."""
    return f"{filter_key}/subject"


def _labels(workspace_id: int, leaves: Iterable[Leaf]) -> dict[str, dict[str, str]]:
    """By filter: how the values of ``leaves`` are called, and by ``subjects_of`` it their subjects."""
    values: dict[str, set[str]] = defaultdict(set)
    subjects: dict[str, set[str]] = defaultdict(set)
    for leaf in leaves:
        found = filter_of(leaf.filter)
        operator = found.operator(leaf.operator, leaf.subject) if found else None
        if operator:
            values[leaf.filter].update(operator.value.named(leaf.value))
        if found and found.subject and leaf.subject:
            subjects[leaf.filter].update(found.subject.named(leaf.subject))
    labels: dict[str, dict[str, str]] = {}
    for key in {*values, *subjects}:
        if found := filter_of(key):
            labels[key] = found.labels(workspace_id, values[key]) if values[key] else {}
            if subjects[key]:
                labels[subjects_of(key)] = found.subject_labels(workspace_id, subjects[key])
    return labels
