"""``manage.py rotate_encryption``: encrypts every stored secret with the newest of FIELD_ENCRYPTION_KEYS."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from workspaces.encryption import UnreadableSecretsError, reencrypt, secrets_fields


class Command(BaseCommand):
    """To change the key: put the new one first in FIELD_ENCRYPTION_KEYS, restart, run this, remove the old one."""

    help = (
        "Encrypts every stored secret with the first key of FIELD_ENCRYPTION_KEYS; after it the others can be removed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        for model, name in secrets_fields():
            try:
                count = reencrypt(model, name)
            except UnreadableSecretsError as error:
                raise CommandError(str(error)) from error
            self.stdout.write(f"{model._meta.label}.{name}: {count}")
