"""Partner integrations, their keys, and the cohorts that come in through them."""

from partners.models.arrivals import CohortChange, FullCopy, IdentityCursor, UnmatchedId
from partners.models.cohorts import Cohort
from partners.models.integrations import DataImportKey, Integration, KeyUse
from partners.models.pulls import PullConnection, PullQuery
from partners.models.runs import RunSets, SyncRun

__all__ = [
    "Cohort",
    "CohortChange",
    "DataImportKey",
    "FullCopy",
    "IdentityCursor",
    "Integration",
    "KeyUse",
    "PullConnection",
    "PullQuery",
    "RunSets",
    "SyncRun",
    "UnmatchedId",
]
