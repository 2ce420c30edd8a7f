"""Partners that a workspace names itself: made in the browser, called over REST, chosen in segments."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from partners import apps
from partners.models import Cohort, DataImportKey, Integration
from partners.registry import partners
from segments.engine import broken_references, evaluate
from segments.filters.registry import filters_in
from segments.models import Segment
from segments.tree import parse
from segments.words import Words
from tests.logins import client_of
from tests.partners.conftest import MakeUsers, Partner, connect, make_users
from tests.partners.test_screens import page, secret_in, text_of
from workspaces.data_points import source_name
from workspaces.models import Workspace
from workspaces.roles import Role

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(workspace: Workspace) -> Client:
    return client_of(workspace, Role.ADMIN)


def add(admin: Client, name: str = "Acme", slug: str = "acme") -> Any:
    return admin.post(page("integration_custom_add"), {"name": name, "slug": slug})


def acme(workspace: Workspace, name: str = "Acme") -> Partner:
    partner = connect(workspace, "acme")
    Integration.objects.filter(pk=partner.integration.pk).update(custom_name=name)
    partner.integration.refresh_from_db()
    return partner


def in_cohort(*cohort_ids: str) -> dict[str, Any]:
    leaf = {"id": "a", "filter": "acme_cohorts", "operator": "includes", "value": list(cohort_ids)}
    return {"rows": [{"filters": [leaf]}]}


def test_it_works(admin: Client, workspace: Workspace, users: MakeUsers) -> None:
    assert text_of(admin.get(page("integration_custom_add")))
    assert add(admin)["Location"] == page("integration_partner", "acme")
    assert "Acme" in text_of(admin.get(page("integration_changelist")))
    shown = text_of(admin.get(page("integration_partner", "acme")))
    assert "/partners/acme/cohorts/users" in shown
    secret = secret_in(admin.post(page("integration_generate_key", "acme")))
    key = DataImportKey.find(secret)
    assert key is not None
    partner = Partner(key.integration, key, "theirs", secret)
    users("a", "b")
    assert partner.name(name="Big spenders").status_code == 201
    partner.add("a")
    assert evaluate(parse(in_cohort("c1")), workspace).users == partner.cohort().members
    assert "Acme" in text_of(admin.get(page("cohort_cohort", partner.cohort().pk)))
    assert "Acme Cohorts" in {str(one.name) for one in filters_in(workspace.pk)}


@pytest.mark.parametrize(
    ("name", "slug", "said"),
    [
        ("", "acme", "required"),
        ("Acme", "", "required"),
        ("Acme", "Ac me", "lower-case"),
        ("Acme", "-acme", "lower-case"),
        ("Acme", "a" * 41, "lower-case"),
        ("Acme", "mixpanel", "taken by another partner"),
        ("Acme", "cohorts", "taken by another partner"),
        ("segment", "acme", "in the list already"),
    ],
)
def test_names_and_slugs_that_are_refused(admin: Client, name: str, slug: str, said: str) -> None:
    assert said in text_of(add(admin, name, slug))
    assert not Integration.objects.exists()


def test_a_name_or_slug_is_taken_once_in_a_workspace(admin: Client) -> None:
    add(admin)
    assert "with this slug already" in text_of(add(admin, "Other", "acme"))
    assert "of this name already" in text_of(add(admin, "ACME", "other"))
    elsewhere = Workspace.objects.create(name="Elsewhere")
    Integration.objects.create(workspace=elsewhere, partner_slug="other", custom_name="Other")
    assert add(admin, "Other", "other").status_code == 302


def test_renaming_keeps_the_identity(admin: Client, workspace: Workspace) -> None:
    partner = acme(workspace)
    partner.name()
    assert "Acme" in text_of(admin.get(page("integration_custom_rename", "acme")))
    assert admin.post(page("integration_custom_rename", "acme"), {"name": "Acme"}).status_code == 302
    admin.post(page("integration_custom_rename", "acme"), {"name": "Apex"})
    assert Integration.objects.get().custom_name == "Apex"
    assert partner.change().status_code == 201
    assert "Apex" in text_of(admin.get(page("cohort_cohort", partner.cohort().pk)))


def test_removing_needs_that_there_are_no_cohorts(admin: Client, workspace: Workspace) -> None:
    partner = acme(workspace)
    partner.name()
    assert "Remove “Acme”?" not in text_of(admin.get(page("integration_partner", "acme")))
    admin.post(page("integration_custom_remove", "acme"))
    assert Integration.objects.exists()
    Cohort.objects.all().delete()
    assert "Remove “Acme”?" in text_of(admin.get(page("integration_partner", "acme")))
    admin.post(page("integration_custom_remove", "acme"))
    assert not Integration.objects.exists()
    assert partner.change().status_code == 404


def test_what_is_refused(admin: Client, workspace: Workspace, mixpanel: Partner) -> None:
    assert admin.get(page("integration_partner", "acme")).status_code == 404
    assert admin.post(page("integration_generate_key", "acme")).status_code == 404
    assert admin.get(page("integration_custom_rename", "mixpanel")).status_code == 404
    assert admin.post(page("integration_custom_remove", "mixpanel")).status_code == 404
    other = connect(Workspace.objects.create(name="Other"), "acme")
    Integration.objects.filter(pk=other.integration.pk).update(custom_name="Secret")
    assert admin.get(page("integration_partner", "acme")).status_code == 404
    assert "Secret" not in text_of(admin.get(page("integration_changelist")))


def test_a_marketer_makes_none(workspace: Workspace) -> None:
    marketer = client_of(workspace, Role.MARKETER)
    acme(workspace)
    assert marketer.get(page("integration_custom_add")).status_code == 403
    assert marketer.post(page("integration_custom_rename", "acme"), {"name": "x"}).status_code == 403
    assert marketer.post(page("integration_custom_remove", "acme")).status_code == 403
    assert page("integration_custom_add") not in text_of(marketer.get(page("integration_changelist")))


def test_two_workspaces_share_a_slug_and_nothing_else(workspace: Workspace) -> None:
    first, second = acme(workspace), acme(Workspace.objects.create(name="Other"), "Apex")
    for partner in (first, second):
        make_users(partner.integration.workspace, "a")
        partner.add("a")
        assert partner.members() == {"a"}
    tree = parse(in_cohort("c1"))
    assert Words(workspace.pk, [tree]).sentence(tree) == "Acme Cohorts includes “c1”"
    assert Words(second.integration.workspace_id, [tree]).sentence(tree) == "Apex Cohorts includes “c1”"
    assert len(evaluate(tree, workspace).users) == 1


def test_a_filter_of_a_partner_that_the_workspace_does_not_have_finds_nobody(workspace: Workspace) -> None:
    problems = broken_references(parse(in_cohort("c1")), workspace.pk)
    assert ["does not exist" in one.message for one in problems] == [True]


def test_archiving_warns_of_its_segments(admin: Client, workspace: Workspace) -> None:
    partner = acme(workspace)
    partner.name()
    Segment.objects.create(workspace=workspace, name="Spenders", filters=in_cohort("c1"))
    assert "Spenders" in text_of(admin.get(page("cohort_cohort", partner.cohort().pk)))
    assert "Acme Cohorts" in text_of(admin.get(reverse("admin:segments_segment_changelist")))


@pytest.mark.parametrize("slug", [one.slug for one in partners()])
def test_every_registered_partner_is_one(admin: Client, workspace: Workspace, slug: str) -> None:
    partner = connect(workspace, slug)
    make_users(workspace, "a")
    assert partner.name().status_code == 201
    partner.add("a")
    assert partner.members() == {"a"}
    shown = text_of(admin.get(page("integration_partner", slug)))
    assert partner.integration.partner.name in shown


def test_every_partner_has_a_picture() -> None:
    from django.contrib.staticfiles import finders

    assert all(finders.find(one.icon) for one in partners())


def test_data_points_are_named_in_the_readers_language(monkeypatch: pytest.MonkeyPatch) -> None:
    assert source_name("Mixpanel Cohorts") == "Mixpanel Cohorts"
    assert source_name("something") == "something"
    monkeypatch.setattr(apps, "gettext", {"{partner} Cohorts": "Kohorten von {partner}"}.__getitem__)
    assert source_name("Mixpanel Cohorts") == "Kohorten von Mixpanel"
    assert source_name("Acme {x} Cohorts") == "Kohorten von Acme {x}"
