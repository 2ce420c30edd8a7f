"""The screens of Partner Integrations: Technology Partners, one page for each partner, one for each cohort."""

from partners.admin import cohorts, integrations

__all__ = ["cohorts", "integrations"]
