"""Secrets at rest: encrypted, never shown, and moved to a new key by one command."""

import logging

import pytest
from cryptography.fernet import Fernet
from django.core import serializers
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from currents.models import Current
from workspaces.checks import encryption_keys
from workspaces.encryption import Secrets, cipher, reencrypt, secrets_fields
from workspaces.keys import new_key
from workspaces.models import ApiKey, Workspace

pytestmark = pytest.mark.django_db
SECRETS = {"api_secret": "s3cret-value", "token": "t0ken-value"}


def make(workspace: Workspace, number: int = 1) -> Current:
    return Current.objects.create(
        workspace=workspace,
        name=f"Current {number}",
        contact_email="ops@example.com",
        destination="mixpanel",
        secrets=Secrets(SECRETS),
    )


def stored(row: Current) -> bytes:
    with connection.cursor() as cursor:
        cursor.execute("SELECT secrets FROM currents_current WHERE id = %s", [row.pk])
        return bytes(cursor.fetchone()[0])


def test_it_works(workspace: Workspace) -> None:
    row = make(workspace)
    assert Current.objects.get().secrets == SECRETS
    assert b"s3cret" not in stored(row)


def test_no_secret_is_in_a_repr_a_log_or_a_dump(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    row = make(workspace)
    row.refresh_from_db()
    key = new_key()
    logging.getLogger("test").warning("%s %r %r %s", row.secrets, row.secrets, key, Secrets())
    dumped = serializers.serialize("json", [row, *ApiKey.objects.all()])
    for secret in (*SECRETS.values(), key.secret):
        assert secret not in caplog.text
        assert secret not in dumped
    assert "api_secret" in caplog.text


def test_rotation_encrypts_every_row_with_the_newest_key(workspace: Workspace, settings: Settings) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    settings.FIELD_ENCRYPTION_KEYS = [old]
    rows = [make(workspace, number) for number in range(5)]
    without = Current.objects.create(
        workspace=workspace, name="Empty", contact_email="a@example.com", secrets=Secrets()
    )

    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    assert reencrypt(Current, "secrets", chunk=2) >= 5
    call_command("rotate_encryption", verbosity=0)

    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert all(Current.objects.get(pk=row.pk).secrets == SECRETS for row in rows)
    assert Current.objects.get(pk=without.pk).secrets == {}


def test_a_key_that_is_missing_is_named_and_nothing_changes(workspace: Workspace, settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    row = make(workspace)
    before = stored(row)
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(CommandError, match="FIELD_ENCRYPTION_KEYS"):
        call_command("rotate_encryption")
    assert stored(row) == before


def test_the_first_key_encrypts_and_each_decrypts(settings: Settings) -> None:
    old, new = (Fernet.generate_key().decode() for _ in range(2))
    settings.FIELD_ENCRYPTION_KEYS = [old]
    token = cipher().encrypt(b"x")
    settings.FIELD_ENCRYPTION_KEYS = [new, old]
    assert cipher().decrypt(token) == b"x"
    assert Fernet(new).decrypt(cipher().encrypt(b"x")) == b"x"


def test_every_model_with_secrets_is_found() -> None:
    assert {f"{model._meta.label}.{name}" for model, name in secrets_fields()} >= {
        "currents.Current.secrets",
        "partners.PullConnection.secrets",
    }


@pytest.mark.parametrize("keys", [[], ["too short"], ["é"]])
def test_a_key_that_is_no_key_is_told_before_anything_runs(settings: Settings, keys: list[str]) -> None:
    settings.FIELD_ENCRYPTION_KEYS = keys
    assert [one.id for one in encryption_keys()] == ["workspaces.E001"]


def test_good_keys_pass_the_check() -> None:
    assert encryption_keys() == []
