"""ProfileSet agrees with Python's sets, whatever is in it, and is quick at ten million."""

import time

import numpy as np
import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.models import LiveUsers, Profile
from profiles.sets import ProfileSet, profile_ids
from workspaces.models import Workspace

MAX_ID = 2**32 - 1
spread = st.integers(1, MAX_ID)
dense = st.integers(1, 3000)
ids = st.sets(dense) | st.sets(spread) | st.sets(dense | spread, max_size=300)
quickly = settings(deadline=None, max_examples=100)


def test_it_works() -> None:
    both = ProfileSet([3, 1, 2]) & ProfileSet([2, 3, 4])
    assert list(both) == [2, 3]
    assert len(both) == 2
    assert 2 in both
    assert 1 not in both
    assert repr(both) == "<ProfileSet of 2>"


@quickly
@given(ids, ids)
def test_algebra_is_that_of_sets(left: set[int], right: set[int]) -> None:
    one, other = ProfileSet(left), ProfileSet(right)
    assert set(one & other) == left & right
    assert set(one | other) == left | right
    assert set(one - other) == left - right
    assert one.intersection_size(other) == len(left & right)
    assert (one == other) == (left == right)
    assert bool(one) == bool(left)
    assert (set(one), set(other)) == (left, right), "the operands stay as they were"


@quickly
@given(st.lists(ids, max_size=5))
def test_a_union_of_any_number(parts: list[set[int]]) -> None:
    assert set(ProfileSet.union(ProfileSet(part) for part in parts)) == set().union(*parts)


@quickly
@given(ids)
def test_every_way_out_and_back_in(members: set[int]) -> None:
    original = ProfileSet(members)
    assert ProfileSet.from_bytes(original.to_bytes()) == original
    assert ProfileSet(original.to_array()) == original
    assert ProfileSet.from_int8send(np.array(list(members), dtype=">i8").tobytes()) == original
    assert list(original) == sorted(members)
    assert original.first(3) == sorted(members)[:3]
    assert original.to_array().tolist() == sorted(members)
    assert hash(ProfileSet.from_bytes(original.to_bytes())) == hash(original)


@pytest.mark.parametrize("nothing", [b"", None])
def test_no_data_is_nobody(nothing: bytes | None) -> None:
    assert not ProfileSet.from_int8send(nothing)
    assert ProfileSet().to_bytes() == b""
    assert ProfileSet.from_bytes(b"") == ProfileSet()


def test_ten_million_ids_are_decoded_in_a_moment() -> None:
    data = np.arange(1, 10_000_001).astype(">i8").tobytes()
    started = time.perf_counter()
    assert len(ProfileSet.from_int8send(data)) == 10_000_000
    # About 0.1 s; a loop in Python would take seconds.
    assert time.perf_counter() - started < 1.0


@pytest.mark.django_db
def test_ids_come_from_the_database_in_one_query() -> None:
    workspace = Workspace.objects.create(name="Example")
    made = [Profile.objects.create(workspace=workspace, external_id=f"user-{n}") for n in range(3)]
    assert profile_ids("workspace_id = %s AND external_id <> %s", [workspace.pk, "user-1"]) == ProfileSet(
        [made[0].pk, made[2].pk]
    )
    assert profile_ids("false") == ProfileSet()


@pytest.mark.django_db
def test_a_field_keeps_a_set() -> None:
    workspace = Workspace.objects.create(name="Example")
    LiveUsers.objects.create(workspace=workspace, members=ProfileSet([1, MAX_ID]))
    assert LiveUsers.objects.get().members == ProfileSet([1, MAX_ID])


@pytest.mark.django_db
def test_bitmaps_are_stored_as_they_are() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attstorage FROM pg_attribute"
            " WHERE attrelid = 'profiles_liveusers'::regclass AND attname = 'members'"
        )
        assert cursor.fetchone() == ("e",)
