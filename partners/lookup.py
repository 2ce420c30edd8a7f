"""Is this user in the cohort, and why: the runs that added or removed them."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db.models import Q

from partners.models import Cohort, RunSets, SyncRun, UnmatchedId
from profiles.models import Profile
from profiles.sets import ProfileSet

#: An email can name many users; so many are shown.
SHOWN = 20


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
    """Look for ``text`` as external id, braze id, alias name, device id or email, compared exactly."""
    workspace_id = cohort.integration.workspace_id
    names = (
        Q(external_id=text)
        | Q(braze_id=text)
        | Q(email=text)
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
    if not people:
        return
    for sets in RunSets.objects.filter(run__cohort=cohort).select_related("run").order_by("-run_id").iterator(100):
        for person in people:
            for was_added, ids in ((False, sets.removed), (True, sets.added)):
                if person.profile.pk in ids:
                    person.steps.append((sets.run, was_added))
