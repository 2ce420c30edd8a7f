"""Identify, merge and delete racing with track: whatever happens, some order of the requests explains it."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import connection, transaction

from profiles.deleting import delete_users
from profiles.identities import Identity
from profiles.merging import Naming, identify, merge
from profiles.models import Alias, DeprecatedId, IdentityChange, Profile
from profiles.names import claim_external_ids
from profiles.objects import attributes_object, event_object
from profiles.renaming import NewAlias, add_aliases, rename_aliases, rename_external_ids
from profiles.stores import DailyCount
from profiles.tracking import Batch, track
from tests.profiles.test_track_concurrency import in_threads
from tests.profiles.worlds import check_live, event, of_alias, user
from workspaces.models import Workspace

pytestmark = pytest.mark.django_db(transaction=True)

USERS = 12


@pytest.fixture
def workspace() -> Workspace:
    return Workspace.objects.create(name="Example")


def ext(number: int) -> Identity:
    return Identity("external_id", f"user-{number}")


def shop(number: int) -> Identity:
    return Identity("alias", f"shopper-{number}", "shop")


def visits(*subjects: dict[str, Any]) -> Batch:
    """An increment and an event for each subject."""
    return Batch(
        [attributes_object({**one, "visits": {"inc": 1}}) for one in subjects],
        [event_object(event("visited", **one)) for one in subjects],
    )


def by_id(number: int) -> dict[str, Any]:
    return {"external_id": f"user-{number}"}


def by_alias(number: int) -> dict[str, Any]:
    return of_alias(f"shopper-{number}")


def run(jobs: Sequence[Callable[[], Any]]) -> None:
    in_threads(lambda number: jobs[number](), len(jobs))


def total_visits() -> int:
    return sum(one.custom_attributes.get("visits", 0) for one in Profile.objects.all())


def check_sound(workspace: Workspace) -> None:
    """No name without its user, no user without a trace in the log, no placeholder, nobody twice."""
    check_live(workspace)
    assert not Profile.objects.filter(pk__lt=0).exists()
    names = Profile.objects.exclude(external_id=None).values_list("external_id", flat=True)
    assert len(set(names)) == len(names)
    assert not DeprecatedId.objects.filter(external_id__in=set(names)).exists()
    ids = set(Profile.objects.values_list("pk", flat=True))
    assert set(DailyCount.objects.values_list("profile_id", flat=True)) <= ids
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM profiles_alias WHERE profile_id NOT IN (SELECT id FROM profiles_profile)")
        assert cursor.fetchone() == (0,)


def test_identify_racing_with_track(workspace: Workspace) -> None:
    """Both users of each pair are tracked while they become one: every increment that an order allows is kept.

    The survivor's own value stays, the other's goes (Braze), so visits are between the half and all; events all stay.
    """

    def tracker(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(6):
            numbers = list(range(USERS))
            chance.shuffle(numbers)
            track(workspace.pk, visits(*map(by_id, numbers), *map(by_alias, reversed(numbers))))

    def identifier(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(6):
            numbers = list(range(USERS))
            chance.shuffle(numbers)
            identify(workspace.pk, [Naming(shop(one), ext(one).name) for one in numbers])

    run(
        [
            *(lambda seed=seed: tracker(seed) for seed in range(4)),
            *(lambda seed=seed: identifier(seed) for seed in (8, 9)),
        ]
    )
    identifier(10)

    assert Profile.objects.count() == USERS
    assert Alias.objects.count() == USERS
    check_sound(workspace)
    counted = sum(DailyCount.objects.filter(name="visited").values_list("count", flat=True))
    assert counted == 4 * 6 * USERS * 2
    assert 4 * 6 * USERS <= total_visits() <= counted


def test_one_alias_and_one_id_at_once_make_one_user(workspace: Workspace) -> None:
    """Track makes the id while identify gives it to somebody else: one of them comes first, and the other sees it."""
    for round_ in range(10):
        track(workspace.pk, visits(by_alias(round_)))
        run(
            [
                lambda round_=round_: track(workspace.pk, visits(by_id(round_))),
                lambda round_=round_: identify(workspace.pk, [Naming(shop(round_), ext(round_).name)]),
                lambda round_=round_: track(workspace.pk, visits(by_alias(round_))),
            ]
        )
        profile = Profile.objects.get(external_id=ext(round_).name)
        assert list(profile.aliases.values_list("name", flat=True)) == [shop(round_).name]
    assert Profile.objects.count() == 10
    check_sound(workspace)


def test_merges_in_a_circle_lose_nobody(workspace: Workspace) -> None:
    track(workspace.pk, visits(*map(by_id, range(USERS))))

    def merger(seed: int) -> None:
        chance = random.Random(seed)
        pairs = [(ext(one), ext((one + 1) % USERS)) for one in range(USERS)]
        chance.shuffle(pairs)
        for pair in pairs:
            merge(workspace.pk, [pair])

    def tracker() -> None:
        for number in range(USERS):
            track(
                workspace.pk, Batch([attributes_object({**by_id(number), "_update_existing_only": True, "seen": True})])
            )

    run([*(lambda seed=seed: merger(seed) for seed in range(4)), tracker, tracker])
    check_sound(workspace)
    assert sum(DailyCount.objects.values_list("count", flat=True)) == USERS
    gone = [one for row in IdentityChange.objects.filter(kind="merged") for one in row.profile_ids]
    assert len(gone) == len(set(gone)) == USERS - Profile.objects.count() < USERS


def test_deleting_racing_with_track(workspace: Workspace) -> None:
    """Who is tracked is there or comes anew; nobody is half deleted."""

    def deleter() -> None:
        for _ in range(10):
            delete_users(workspace.pk, map(ext, range(USERS)))

    def tracker() -> None:
        for _ in range(10):
            track(workspace.pk, visits(*map(by_id, range(USERS))))

    run([tracker, deleter, tracker, deleter])
    check_sound(workspace)
    tracker()
    assert Profile.objects.count() == USERS
    for profile in Profile.objects.all():
        counted = sum(DailyCount.objects.filter(profile_id=profile.pk).values_list("count", flat=True))
        assert counted == profile.custom_attributes["visits"]


def test_names_change_while_their_users_are_tracked(workspace: Workspace) -> None:
    track(workspace.pk, visits(*map(by_id, range(USERS))))

    def renamer() -> None:
        for number in range(USERS):
            rename_external_ids(workspace.pk, [(ext(number).name, f"new-{number}")])
            add_aliases(workspace.pk, [NewAlias(shop(number), f"new-{number}")])
            rename_aliases(workspace.pk, {shop(number): f"renamed-{number}"})

    def tracker() -> None:
        for _ in range(5):
            track(workspace.pk, visits(*map(by_id, range(USERS))))

    run([renamer, renamer, tracker, tracker, tracker])
    assert set(Profile.objects.values_list("external_id", flat=True)) == {f"new-{one}" for one in range(USERS)}
    assert set(DeprecatedId.objects.values_list("external_id", flat=True)) == {ext(one).name for one in range(USERS)}
    assert set(Alias.objects.values_list("name", flat=True)) == {f"renamed-{one}" for one in range(USERS)}
    assert total_visits() == USERS * 16, "a deprecated id names the same user"
    check_sound(workspace)


def test_one_email_address_at_once_makes_one_user(workspace: Workspace) -> None:
    # The attribute is there: waiting for each other to declare it would keep the requests apart.
    track(workspace.pk, visits(by_id(0)))
    subjects = [{"email": f"{one}@example.com"} for one in range(USERS)]
    run(
        [
            lambda seed=seed: track(workspace.pk, visits(*random.Random(seed).sample(subjects, USERS)))
            for seed in range(8)
        ]
    )
    assert Profile.objects.count() == USERS + 1
    assert total_visits() == 8 * USERS + 1
    check_sound(workspace)


@pytest.mark.parametrize(
    "work",
    [
        lambda pk: identify(pk, [Naming(shop(1), "new"), Naming(shop(2), ext(2).name)]),
        lambda pk: merge(pk, [(ext(1), ext(2))]),
        lambda pk: delete_users(pk, [ext(1)]),
        lambda pk: rename_external_ids(pk, [(ext(1).name, "new")]),
        lambda pk: add_aliases(pk, [NewAlias(shop(8), ext(1).name), NewAlias(shop(9))]),
    ],
)
def test_a_request_killed_at_its_end_leaves_nothing(
    workspace: Workspace, work: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    track(workspace.pk, visits(by_id(1), by_id(2), by_alias(1), by_alias(2)))
    before = everything()

    def break_off(*_: Any) -> None:
        raise RuntimeError("broken off")

    for module in ("merging", "deleting", "renaming", "names"):
        monkeypatch.setattr(f"profiles.{module}.log_identity", break_off)
    with pytest.raises(RuntimeError):
        work(workspace.pk)
    assert everything() == before
    monkeypatch.undo()
    work(workspace.pk)
    assert everything() != before
    check_sound(workspace)


def everything() -> list[Any]:
    models = (Profile, Alias, DeprecatedId, DailyCount, IdentityChange)
    return [list(model.objects.order_by("pk").values()) for model in models]


def test_a_name_claimed_by_a_request_that_fails_is_free_again(workspace: Workspace) -> None:
    with transaction.atomic():
        claim_external_ids(workspace.pk, ["user-1"])
        transaction.set_rollback(True)
    track(workspace.pk, visits(by_id(1)))
    assert user("user-1").pk > 0


def test_the_same_attributes_twice_change_nothing(workspace: Workspace) -> None:
    body = {
        "external_id": "user-1",
        "first_name": "One",
        "email": "a@example.com",
        "email_subscribe": "unsubscribed",
        "plan": "gold",
        "tags": {"add": ["a"], "remove": ["b"]},
        "deep": {"a": {"b": 1}},
        "gone": None,
    }
    track(workspace.pk, Batch([attributes_object(body)]))
    once = everything()
    track(workspace.pk, Batch([attributes_object(body)]))
    assert everything() == once
