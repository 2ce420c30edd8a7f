"""Which imports of users made or changed them."""

from hypothesis import strategies as st

from profiles.stores import ImportedUser, UserImport
from segments.filters.base import Leaf
from tests.segments.oracle.base import Facet, World, each

IMPORTS = ["import-0", "import-1"]


def _prepare(world: World) -> None:
    for name in IMPORTS:
        made = UserImport.objects.create(
            workspace=world.workspace,
            file_name=f"{name}.csv",
            stored_as=f"{world.workspace.pk}-{name}",
            size=1,
            header=["external_id"],
            state=UserImport.State.DONE,
        )
        world.names[name] = str(made.pk)


def _write(world: World) -> None:
    ImportedUser.objects.bulk_create(
        ImportedUser(user_import_id=int(world.names[name]), profile_id=user.id)
        for user in world.users
        for name in user.parts["imports"]
    )


def _passes(leaf: Leaf, part: frozenset[str], world: World) -> bool:
    return any(world.names[name] in leaf.value for name in part) == (leaf.operator == "includes")


FACET = Facet(
    key="imports",
    parts=each(st.frozensets(st.sampled_from(IMPORTS))),
    passes={"imported_from_csv": _passes},
    prepare=_prepare,
    write=_write,
    texts={"imported_from_csv": st.sampled_from(IMPORTS)},
)
