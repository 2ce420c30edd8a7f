from django.db import migrations

_MARK = """
    UPDATE profiles_messagesource source SET is_archived = true
    FROM messaging_{model} one
    WHERE one.archived_at IS NOT NULL AND source.workspace_id = one.workspace_id
      AND source.kind = '{model}' AND source.parent_id IS NULL AND source.source_id = one.api_id::text
"""


class Migration(migrations.Migration):
    """Filters know what was archived before archiving told them."""

    dependencies = [
        ("messaging", "0001_initial"),
        ("profiles", "0014_archived_sources"),
    ]

    operations = [
        migrations.RunSQL(_MARK.format(model=model), migrations.RunSQL.noop) for model in ("campaign", "canvas")
    ]
