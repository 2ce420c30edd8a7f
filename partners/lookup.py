"""Is this user in the cohort, and why: the runs that added or removed them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from django.db.models import Q

from partners.models import Cohort, SyncRun, UnmatchedId
from profiles.models import Profile
from profiles.sets import ProfileSet, set_cursor

#: An email can name many users; so many are shown.
SHOWN = 20
#: Of one user's steps, so many are shown: the newest.
STEPS_SHOWN = 50


@dataclass
class Person:
    """A user that the text names; ``steps`` are the runs that added (True) or removed them, newest first."""

    profile: Profile
    is_member: bool
    steps: list[tuple[SyncRun, bool]] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """Everybody that the text names, and whether the identifier waits for a user to appear."""

    people: list[Person]
    waiting: list[UnmatchedId]


def look_up(cohort: Cohort, members: ProfileSet, text: str) -> Found:
    """Look for ``text`` as external id (also a deprecated one), braze id, alias name, device id or email, exactly."""
    workspace_id = cohort.integration.workspace_id
    names = (
        Q(external_id=text)
        | Q(braze_id=text)
        | Q(email=text)
        | Q(pk__in=_ids("deprecated_ids", "external_id", workspace_id, text))
        | Q(pk__in=_ids("aliases", "name", workspace_id, text))
        | Q(pk__in=_ids("devices", "device_id", workspace_id, text))
    )
    profiles = Profile.objects.filter(names, workspace_id=workspace_id).order_by("pk")[:SHOWN]
    people = [Person(profile, profile.pk in members) for profile in profiles]
    _explain(cohort, people)
    waiting = list(cohort.unmatched.filter(value=text, cancelled=False).select_related("run")[:SHOWN])
    return Found(people, waiting)


def _ids(relation: str, column: str, workspace_id: int, text: str) -> Iterable[int]:
    model = Profile._meta.get_field(relation).related_model
    assert not isinstance(model, str) and model is not None  # noqa: S101, PT018 - a relation of a loaded model
    found = model._default_manager.filter(workspace_id=workspace_id, **{column: text})
    return list(found.values_list("profile_id", flat=True)[:SHOWN])


def _explain(cohort: Cohort, people: list[Person]) -> None:
    """Find everybody's steps: the sets of thousands of runs are looked into, and only the runs found are loaded."""
    if not people:
        return
    found: list[tuple[Person, int, bool]] = []
    for run_id, added, removed in _sets(cohort):
        for person in people:
            found += [(person, run_id, False)] * (person.profile.pk in removed)
            found += [(person, run_id, True)] * (person.profile.pk in added)
    runs = SyncRun.objects.in_bulk({run_id for _person, run_id, _was_added in found})
    for person, run_id, was_added in found:
        if run_id in runs and len(person.steps) < STEPS_SHOWN:
            person.steps.append((runs[run_id], was_added))


def _sets(cohort: Cohort) -> Iterator[tuple[int, ProfileSet, ProfileSet]]:
    """(run, whom it added, whom it removed) of the cohort's runs, the newest first."""
    with set_cursor() as cursor:
        cursor.execute(
            """
            SELECT s.run_id, s.added, s.removed FROM partners_runsets s JOIN partners_syncrun r ON r.id = s.run_id
             WHERE r.cohort_id = %s ORDER BY s.run_id DESC
            """,
            [cohort.pk],
        )
        while rows := cursor.fetchmany(500):
            yield from rows
