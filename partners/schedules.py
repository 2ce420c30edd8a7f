"""What beat does for cohorts."""

from typing import Final

from django.utils.translation import gettext_lazy as _

from partners.registry import modules
from workspaces.schedules import Schedule

SCHEDULES: Final = (
    Schedule(
        name="partners-fold-stragglers",
        task="partners.fold_stragglers",
        every=15,
        description=_("Applies cohort changes whose wake-up call was lost, and ends full copies that never completed."),
    ),
    Schedule(
        name="partners-follow-identities",
        task="partners.follow_identities",
        every=5,
        description=_(
            "Lets waiting identifiers join their cohorts when their users appear; follows merged and deleted users."
        ),
    ),
    Schedule(
        name="partners-match-unlogged",
        task="partners.match_unlogged",
        every=3600,
        description=_("Looks whether somebody got an email address or a device that a cohort waits for."),
    ),
    Schedule(
        name="partners-store-key-use",
        task="partners.store_key_use",
        every=60,
        description=_("Stores how many requests came with each data import key."),
    ),
    Schedule(
        name="partners-forget-old-runs",
        task="partners.forget_old_runs",
        every=24 * 3600,
        description=_(
            "Deletes whom sync runs added and removed after 90 days, and runs that changed nothing after 30 days."
        ),
    ),
    *(schedule for _partner, module in modules("schedules") for schedule in module.SCHEDULES),
)
