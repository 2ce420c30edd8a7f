"""Small worlds of users for the property test, and the oracle: the same filters in plain Python over plain rows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from partners.models import Cohort, Integration
from partners.registry import partners
from profiles.live import log_identity
from profiles.models import AppUse, CustomAttribute, IdentityChange, Profile
from profiles.sets import ProfileSet
from segments.filters.base import Leaf
from segments.tree import Row, Tree
from workspaces.models import App, Workspace

NOW = datetime(2024, 3, 10, 12, 0, tzinfo=UTC)
ZONE = "Asia/Tokyo"
ATTRIBUTES = {"plan": "string", "age": "number", "vip": "boolean", "renews": "date", "likes": "array", "home": "object"}
COUNTRIES = ["", "JP", "DE", "US"]
LANGUAGES = ["", "en", "ja"]
COHORTS = ["c1", "c2", "c3"]
TEXTS = ["gold", "Gold", "old", "5", "", "a'b%_\\", "日本"]
NUMBERS = [0, 1, 5, -3, 0.1, 2.5, 10**12]
MOMENTS = [
    *(NOW + timedelta(days=days, seconds=shift) for days in (-400, -8, -7, -1, 0, 1, 7) for shift in (-1, 0, 1)),
    datetime(2024, 3, 1, 0, 0, tzinfo=ZoneInfo(ZONE)),
    datetime(2024, 3, 1, 23, 59, 59, tzinfo=ZoneInfo(ZONE)),
    datetime(2024, 3, 2, 0, 0, tzinfo=ZoneInfo(ZONE)),
]
DATES = ["2024-03-01", "2024-03-10", "2023-02-01"]
JUNK = ["2024-13-45", "now", "tomorrow", "infinity", "12 March", "", "7"]
EXTERNAL = ["u1", "u2", "U1", "u 3"]


@dataclass
class User:
    """One user as the oracle sees them; ``id`` is set when the row has been made."""

    external_id: str | None
    country: str
    language: str
    email_subscribe: str
    last_used_at: datetime | None
    custom: dict[str, Any]
    cohorts: frozenset[str]
    apps: frozenset[int]
    gone: bool
    id: int = 0


@dataclass
class World:
    users: list[User]
    workspace: Workspace
    apps: list[App] = field(default_factory=list)


def _moment_text(moment: datetime) -> str:
    return moment.isoformat()


custom_values = {
    "plan": st.sampled_from([*TEXTS, None, 5, True]),
    "age": st.sampled_from([*NUMBERS, None, "5", "many", False]),
    "vip": st.sampled_from([True, False, None, "true", 1]),
    "renews": st.sampled_from([*map(_moment_text, MOMENTS), *DATES, *JUNK, None, 7]),
    "likes": st.sampled_from([[], ["a"], None]),
    "home": st.sampled_from([{}, {"city": "x"}, None]),
}
customs = st.fixed_dictionaries({}, optional=custom_values)
users = st.builds(
    User,
    external_id=st.none(),
    country=st.sampled_from(COUNTRIES),
    language=st.sampled_from(LANGUAGES),
    email_subscribe=st.sampled_from(Profile.Subscription.values),
    last_used_at=st.none() | st.sampled_from(MOMENTS),
    custom=customs,
    cohorts=st.frozensets(st.sampled_from(COHORTS)),
    apps=st.frozensets(st.sampled_from([0, 1])),
    gone=st.sampled_from([False, False, False, True]),
)


@st.composite
def populations(draw: st.DrawFn) -> list[User]:
    """Up to 10 users; some have one of the few external ids, each of which is used once."""
    found = draw(st.lists(users, min_size=1, max_size=10))
    for one, external_id in zip(found, draw(st.permutations([*EXTERNAL, *[None] * 6])), strict=False):
        one.external_id = external_id
    return found


def build(population: list[User], number: int) -> World:
    """Write the population into a workspace of its own."""
    workspace = Workspace.objects.create(name=f"world {number}", time_zone=ZONE)
    apps = [App.objects.create(workspace=workspace, name=f"app {n}", platform="web") for n in (0, 1)]
    rows = Profile.objects.bulk_create(
        Profile(
            workspace=workspace,
            external_id=one.external_id,
            country=one.country,
            language=one.language,
            email_subscribe=one.email_subscribe,
            last_used_at=one.last_used_at,
            custom_attributes=one.custom,
        )
        for one in population
    )
    for one, row in zip(population, rows, strict=True):
        one.id = row.pk
    log_identity(workspace.pk, IdentityChange.Kind.CREATED, [one.id for one in population])
    log_identity(workspace.pk, IdentityChange.Kind.DELETED, [one.id for one in population if one.gone])
    AppUse.objects.bulk_create(
        AppUse(profile_id=one.id, app=apps[n], first_used_at=NOW, last_used_at=NOW)
        for one in population
        for n in one.apps
    )
    for partner in partners():
        integration = Integration.objects.create(workspace=workspace, partner_slug=partner.slug)
        Cohort.objects.bulk_create(
            Cohort(
                integration=integration,
                cohort_id=key,
                name=f"Cohort {key}",
                members=ProfileSet(one.id for one in population if key in one.cohorts),
            )
            for key in COHORTS
        )
    CustomAttribute.objects.bulk_create(
        CustomAttribute(workspace=workspace, name=name, type=type_) for name, type_ in ATTRIBUTES.items()
    )
    return World(population, workspace, apps)


# --- The oracle ------------------------------------------------------------------------------------------------------


def _in_time(operator: str, value: Any, moment: datetime | None) -> bool:
    if moment is None:
        return False
    if operator in ("before", "after"):
        day = date.fromisoformat(value)
        start = datetime.combine(day, time.min, ZoneInfo(ZONE))
        return moment < start if operator == "before" else moment >= start + timedelta(days=1)
    span = timedelta(days=value)
    return {
        "more_than_days_ago": moment < NOW - span,
        "less_than_days_ago": NOW - span <= moment <= NOW,
        "in_more_than_days": moment > NOW + span,
        "in_less_than_days": NOW <= moment <= NOW + span,
    }[operator]


def _parsed(value: Any) -> datetime | None:
    if not isinstance(value, str) or value in JUNK:
        return None
    found = datetime.fromisoformat(value)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _blank(value: Any) -> bool:
    return value is None or value in ("", [])


def _custom(leaf: Leaf, user: User) -> bool:
    value, wanted, operator = user.custom.get(leaf.attribute), leaf.value, leaf.operator
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    text = value if isinstance(value, str) else None
    if operator in ("is_blank", "is_not_blank"):
        return _blank(value) == (operator == "is_blank")
    if leaf.type == "date":
        return _in_time(operator, wanted, _parsed(value))
    if leaf.type == "boolean":
        found, _sep, or_not_set = wanted.partition("_")
        return value is (found == "true") or (bool(or_not_set) and _blank(value))
    if leaf.type == "number":
        compare: dict[str, Callable[[], bool]] = {
            "exactly": lambda: number == wanted or (wanted == 0 and _blank(value)),
            "does_not_equal": lambda: not (number == wanted or (wanted == 0 and _blank(value))),
            "more_than": lambda: number is not None and number > wanted,
            "at_least": lambda: number is not None and number >= wanted,
            "less_than": lambda: _blank(value) or (number is not None and number < wanted),
            "at_most": lambda: _blank(value) or (number is not None and number <= wanted),
        }
        return compare[operator]()
    return {
        "equals": text == wanted,
        "does_not_equal": text != wanted,
        "is_any_of": text in wanted if isinstance(wanted, list) else False,
        "is_none_of": text not in wanted if isinstance(wanted, list) else False,
        "contains": text is not None and isinstance(wanted, str) and wanted in text,
        "does_not_contain": text is None or not isinstance(wanted, str) or wanted not in text,
    }[operator]


def _in_list(operator: str, wanted: Any, value: str | None) -> bool:
    if operator in ("is_blank", "is_not_blank"):
        return (not value) == (operator == "is_blank")
    listed = wanted if isinstance(wanted, list) else [wanted]
    return (value in listed) == (operator in ("is_any_of", "equals", "is"))


ORACLE: dict[str, Callable[[Leaf, User], bool]] = {
    **{
        f"{partner.slug}_cohorts": lambda leaf, user: (
            bool(user.cohorts & set(leaf.value)) == (leaf.operator == "includes")
        )
        for partner in partners()
    },
    "custom_attribute": _custom,
    "country": lambda leaf, user: _in_list(leaf.operator, leaf.value, user.country),
    "language": lambda leaf, user: _in_list(leaf.operator, leaf.value, user.language),
    "email_subscription_status": lambda leaf, user: _in_list(leaf.operator, leaf.value, user.email_subscribe),
    "last_used_app": lambda leaf, user: _in_time(leaf.operator, leaf.value, user.last_used_at),
    "external_user_id": lambda leaf, user: _in_list(leaf.operator, leaf.value, user.external_id),
}


def passes(leaf: Leaf, user: User) -> bool:
    """Whether ``user`` passes the filter."""
    return ORACLE[leaf.filter](leaf, user)


def funnel(tree: Tree, world: World) -> tuple[set[int], list[set[int]]]:
    """The users of the tree, and who is left after each row, as the engine reports them."""
    api_ids = {str(app.api_id): number for number, app in enumerate(world.apps)}
    left = [one for one in world.users if not one.gone]
    if tree.apps is not None:
        left = [one for one in left if one.apps & {api_ids[api_id] for api_id in tree.apps}]
    steps = []

    def row_passes(row: Row, user: User) -> bool:
        return any(passes(leaf, user) for leaf in row.leaves)

    for row in tree.rows:
        left = [one for one in left if row_passes(row, one)]
        steps.append({one.id for one in left})
    for group in tree.exclude:
        before = left
        for count in range(1, len(group.rows) + 1):
            left = [one for one in before if not all(row_passes(row, one) for row in group.rows[:count])]
            steps.append({one.id for one in left})
    return {one.id for one in left}, steps


# --- Trees -----------------------------------------------------------------------------------------------------------

VALUES: dict[str, st.SearchStrategy[Any]] = {
    **{f"{partner.slug}_cohorts": st.sampled_from(COHORTS) for partner in partners()},
    "country": st.sampled_from([*COUNTRIES[1:], "FR"]),
    "language": st.sampled_from([*LANGUAGES[1:], "fr"]),
    "external_user_id": st.sampled_from([*EXTERNAL, "nobody"]),
    "custom_attribute": st.sampled_from([text for text in TEXTS if text]),
}


def value_for(widget: str, filter_key: str, options: list[str]) -> st.SearchStrategy[Any]:
    """Values that an operator with that widget takes."""
    texts = VALUES.get(filter_key, st.just("x"))
    return {
        "none": st.none(),
        "text": texts,
        "number": st.sampled_from(NUMBERS),
        "days": st.sampled_from([0, 1, 7, 8, 400]),
        "date": st.sampled_from(DATES),
        "choice": st.sampled_from(options or ["x"]),
        "search": st.lists(texts, min_size=1, max_size=2),
        "texts": st.lists(texts, min_size=1, max_size=2),
    }[widget]
