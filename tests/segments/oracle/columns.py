"""The columns of a user's own row, and the list of external ids."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from profiles.models import Profile
from segments.filters.base import Leaf, Operator
from segments.lists.taking import take
from tests.segments.oracle.base import (
    BIRTHDAYS,
    MOMENTS,
    NOW,
    ZONE,
    Facet,
    World,
    compared,
    in_list,
    in_text,
    in_time,
    on_day,
)
from workspaces.models import User

TEXTS = ["gold", "Gold", "old", "5", "", "a'b%_\\", "日本"]
CODES = {
    "country": ["", "JP", "DE", "US"],
    "language": ["", "en", "ja"],
    "time_zone": ["", "Asia/Tokyo", "Europe/Berlin"],
    "gender": ["", "F", "M", "P"],
}
#: Codes that no user has.
NOBODYS = {"country": "FR", "language": "fr", "time_zone": "UTC", "gender": "N"}
EXTERNAL = ["u1", "u2", "U1", "u 3"]
LISTS = {"list-0": ["u1", "nobody", "u 3"], "list-1": ["U1"]}
#: Filters over a column of texts: the column.
TEXT_COLUMNS = {
    "city": "home_city",
    "first_name": "first_name",
    "last_name": "last_name",
    "email_address": "email",
    "phone_number": "phone",
    "external_user_id": "external_id",
    "braze_id": "braze_id",
}
MOMENT_COLUMNS = {
    "first_used_app": "first_used_at",
    "last_used_app": "last_used_at",
    "created_at": "created_at",
    "email_opt_in_date": "email_opted_in_at",
    "email_unsubscribed_date": "email_unsubscribed_at",
    "push_opt_in_date": "push_opted_in_at",
    "push_unsubscribed_date": "push_unsubscribed_at",
}
BUCKETS = [0, 1, 4, 9_999]


@dataclass
class Columns:
    country: str
    language: str
    time_zone: str
    gender: str
    home_city: str
    first_name: str
    last_name: str
    email: str
    phone: str
    date_of_birth: date | None
    email_subscribe: str
    first_used_at: datetime | None
    last_used_at: datetime | None
    email_opted_in_at: datetime | None
    email_unsubscribed_at: datetime | None
    push_opted_in_at: datetime | None
    push_unsubscribed_at: datetime | None
    created_at: datetime
    random_bucket: int
    is_test_user: bool
    is_spam: bool
    external_id: str | None = None
    braze_id: str = ""


one = st.builds(
    Columns,
    **{name: st.sampled_from(codes) for name, codes in CODES.items()},  # type: ignore[arg-type]
    **{name: st.sampled_from(TEXTS) for name in ("home_city", "first_name", "last_name", "email")},  # type: ignore[arg-type]
    **{name: st.none() | st.sampled_from(MOMENTS) for name in MOMENT_COLUMNS.values() if name != "created_at"},  # type: ignore[arg-type]
    phone=st.sampled_from([*TEXTS, "+81 (3) 5-1", "8135"]),
    date_of_birth=st.none() | st.sampled_from(BIRTHDAYS),
    email_subscribe=st.sampled_from(Profile.Subscription.values),
    created_at=st.sampled_from(MOMENTS),
    random_bucket=st.sampled_from(BUCKETS),
    is_test_user=st.booleans(),
    is_spam=st.booleans(),
    external_id=st.none(),
    braze_id=st.just(""),
)


def parts(count: int) -> st.SearchStrategy[Sequence[Columns]]:
    """So many users; some have one of the few external ids, each of which is used once."""

    @st.composite
    def drawn(draw: st.DrawFn) -> list[Columns]:
        found = draw(st.lists(one, min_size=count, max_size=count))
        for user, external_id in zip(found, draw(st.permutations([*EXTERNAL, *[None] * 6])), strict=False):
            user.external_id = external_id
        return found

    return drawn()


def _row(part: Columns) -> dict[str, Any]:
    row = {name: value for name, value in asdict(part).items() if name not in ("braze_id", "is_spam")}
    return {**row, "other_fields": {"marked_email_as_spam_at": "2024-01-01T00:00:00Z"} if part.is_spam else {}}


def _prepare(world: World) -> None:
    user, _is_new = User.objects.get_or_create(username="who makes lists")
    for name, ids in LISTS.items():
        world.names[name] = str(take(world.workspace, user, "\n".join(ids).encode(), f"{name}.csv").api_id)
    world.notes["lists"] = {world.names[name]: ids for name, ids in LISTS.items()}


def _write(world: World) -> None:
    braze_ids = dict(Profile.objects.filter(workspace=world.workspace).values_list("pk", "braze_id"))
    for number, user in enumerate(world.users):
        user.parts["columns"].braze_id = world.names[f"braze-{number}"] = braze_ids[user.id]


def _age(leaf: Leaf, born: date | None) -> bool:
    if leaf.operator in ("is_blank", "is_not_blank"):
        return (born is None) == (leaf.operator == "is_blank")
    if born is None:
        return leaf.operator == "does_not_equal"
    today = NOW.astimezone(ZoneInfo(ZONE)).date()
    had_birthday = (today.month, today.day) >= (born.month, born.day)
    return compared(leaf.operator, leaf.value, today.year - born.year - (not had_birthday))


def _birthday(leaf: Leaf, born: date | None) -> bool:
    if leaf.operator in ("is_blank", "is_not_blank"):
        return (born is None) == (leaf.operator == "is_blank")
    return on_day(leaf.operator, leaf.value, born)


def _is_lost(user: Columns, world: World) -> bool:
    """Whether an email bounced for good, or was marked as spam."""
    [befell] = [one.parts.get("engagement", []) for one in world.users if one.parts["columns"] is user]
    return user.is_spam or any(one.action in ("bounced", "spam") for one in befell)


def _passes(leaf: Leaf, user: Columns, world: World) -> bool:
    key, operator, wanted = leaf.filter, leaf.operator, leaf.value
    if key in TEXT_COLUMNS:
        return in_text(operator, wanted, getattr(user, TEXT_COLUMNS[key]))
    if key == "unformatted_phone_number":
        return in_text(operator, wanted, re.sub(r"\D", "", user.phone))
    if key in MOMENT_COLUMNS:
        moment = getattr(user, MOMENT_COLUMNS[key])
        if operator in ("is_blank", "is_not_blank"):
            return (moment is None) == (operator == "is_blank")
        return in_time(operator, wanted, moment)
    if key in CODES:
        return in_list(operator, wanted, getattr(user, key))
    if key == "user_is_in_list":
        return (user.external_id in world.notes["lists"][wanted]) == (operator == "is_in")
    if key == "random_bucket":
        return compared(operator, wanted, user.random_bucket)
    if key == "email_subscription_status":
        return in_list(operator, wanted, user.email_subscribe)
    if key in ("age", "birthday"):
        return (_age if key == "age" else _birthday)(leaf, user.date_of_birth)
    true = {
        "test_user": user.is_test_user,
        "phone_available": user.phone != "",
        "email_available": user.email != "" and user.email_subscribe != "unsubscribed" and not _is_lost(user, world),
    }[key]
    return true == (wanted == "true")


def _values(operator: Operator, kind: str) -> st.SearchStrategy[Any] | None:
    return st.sampled_from(sorted(LISTS)) if operator.value.widget == "list" else None


FILTERS = (
    *TEXT_COLUMNS,
    *MOMENT_COLUMNS,
    *CODES,
    *("user_is_in_list", "random_bucket", "email_subscription_status", "age", "birthday"),
    *("test_user", "phone_available", "email_available", "unformatted_phone_number"),
)
FACET = Facet(
    key="columns",
    parts=parts,
    passes=dict.fromkeys(FILTERS, _passes),
    prepare=_prepare,
    columns=_row,
    write=_write,
    texts={
        **dict.fromkeys(TEXT_COLUMNS, st.sampled_from([text for text in TEXTS if text])),
        **{name: st.sampled_from([*codes[1:], NOBODYS[name]]) for name, codes in CODES.items()},
        "unformatted_phone_number": st.sampled_from(["5", "8135", "81351", "35"]),
        "external_user_id": st.sampled_from([*EXTERNAL, "nobody", "u"]),
        "braze_id": st.sampled_from(["braze-0", "braze-1", "nobody"]),
    },
    values={"user_is_in_list": _values},
)
