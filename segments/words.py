"""Filter trees in words: for the list, the history and ``/segments/details``."""

from collections import defaultdict
from collections.abc import Iterable

from django.utils.translation import gettext as _

from segments.filters.base import Leaf
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
        wanted: dict[str, set[str]] = defaultdict(set)
        for leaf in (leaf for tree in trees for leaf in tree.leaves()):
            if isinstance(leaf.value, list):
                wanted[leaf.filter].update(one for one in leaf.value if isinstance(one, str))
        self.labels: dict[str, dict[str, str]] = {}
        for key, values in wanted.items():
            found = filter_of(key)
            self.labels[key] = found.labels(workspace_id, values) if found else {}
        api_ids = {one for tree in trees for one in tree.apps or ()}
        apps = App.objects.filter(workspace=workspace_id, api_id__in=api_ids) if api_ids else []
        self.apps = {str(app.api_id): app.name for app in apps}

    def leaf(self, leaf: Leaf) -> str:
        """One filter, such as: Mixpanel Cohorts includes “Example”."""
        found = filter_of(leaf.filter)
        operator = found.operator(leaf.operator, leaf.type) if found else None
        if found is None or operator is None:
            return leaf.filter
        try:
            value = operator.value.words(operator.value.check(leaf.value), self.labels.get(leaf.filter, {}))
        except ValueError:
            value = "…"
        subject = f"“{leaf.attribute}”" if leaf.attribute else str(self.names.get(leaf.filter, found.name))
        # An operator like "more than … ago" says where its value goes.
        said = str(operator.name)
        predicate = said.replace("…", value) if "…" in said else f"{said} {value}".rstrip()
        return f"{subject} {predicate}"

    def row(self, row: Row) -> str:
        return _(" OR ").join(self.leaf(leaf) for leaf in row.leaves)

    def lines(self, tree: Tree) -> list[str]:
        """The tree as one line per row, for people."""
        found = []
        if tree.apps is not None:
            names = ", ".join(f"“{self.apps.get(one, one)}”" for one in tree.apps)
            found.append(_("Used the app %(apps)s") % {"apps": names})
        found += [self.row(row) for row in tree.rows]
        for group in tree.exclude:
            rows = _(" AND ").join(self.row(row) for row in group.rows)
            found.append(_("Leave out: %(filters)s") % {"filters": rows})
        return found

    def sentence(self, tree: Tree) -> str:
        """The tree in one line."""
        return _(" AND ").join(self.lines(tree)) or _("All users")
