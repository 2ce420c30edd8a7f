import django.db.models.deletion
import django.db.models.functions.datetime
import profiles.sets
import uuid
import workspaces.encryption
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('workspaces', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Cohort',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('cohort_id', models.CharField(max_length=512, verbose_name='cohort id')),
                ('name', models.CharField(max_length=512, verbose_name='name')),
                ('description', models.TextField(blank=True, verbose_name='description')),
                ('source', models.CharField(choices=[('push', 'Pushed by the partner'), ('webhook', 'Custom webhook'), ('pull', 'Pulled')], default='push', max_length=10, verbose_name='how it comes')),
                ('created_at', models.DateTimeField(null=True, verbose_name='created at')),
                ('first_seen_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('last_sync_at', models.DateTimeField(editable=False, null=True, verbose_name='last sync')),
                ('archived_at', models.DateTimeField(editable=False, null=True, verbose_name='archived at')),
                ('base_members', profiles.sets.ProfileSetField(default=profiles.sets.ProfileSet)),
                ('joined_since', profiles.sets.ProfileSetField(default=profiles.sets.ProfileSet)),
                ('left_since', profiles.sets.ProfileSetField(default=profiles.sets.ProfileSet)),
                ('size', models.BigIntegerField(default=0, editable=False, verbose_name='size')),
                ('version', models.BigIntegerField(default=0, editable=False)),
                ('matched_to', models.BigIntegerField(default=0, editable=False)),
                ('sync', models.CharField(blank=True, choices=[('one_time', 'One-time'), ('dynamic', 'Dynamic')], max_length=10, verbose_name='sync')),
                ('next_pull_at', models.DateTimeField(db_index=True, null=True, verbose_name='next sync')),
                ('paused_at', models.DateTimeField(editable=False, null=True, verbose_name='paused at')),
                ('partner_count', models.BigIntegerField(editable=False, null=True)),
            ],
            options={
                'verbose_name': 'cohort',
                'verbose_name_plural': 'cohorts',
                'ordering': ['name'],
            },
        ),
        migrations.CreateModel(
            name='SyncRun',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(choices=[('push', 'Push'), ('webhook', 'Webhook'), ('pull', 'Pull'), ('late', 'Late match'), ('merge', 'Merge of users')], max_length=10, verbose_name='source')),
                ('status', models.CharField(choices=[('running', 'Running'), ('done', 'Done'), ('incomplete', 'Incomplete'), ('failed', 'Failed')], default='running', max_length=10, verbose_name='status')),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='started')),
                ('ended_at', models.DateTimeField(null=True, verbose_name='ended')),
                ('requests', models.IntegerField(default=0, verbose_name='requests')),
                ('received', models.BigIntegerField(default=0, verbose_name='received')),
                ('added', models.BigIntegerField(default=0, verbose_name='added')),
                ('removed', models.BigIntegerField(default=0, verbose_name='removed')),
                ('already_there', models.BigIntegerField(default=0, verbose_name='already there')),
                ('unmatched', models.BigIntegerField(default=0, verbose_name='unmatched')),
                ('data_points', models.BigIntegerField(default=0, verbose_name='data points')),
                ('size_after', models.BigIntegerField(null=True, verbose_name='size afterwards')),
                ('problem', models.CharField(blank=True, choices=[('replaced', 'A newer full copy arrived before this one was complete.'), ('timed_out', 'Its pages stopped arriving before all were there.'), ('unauthorized', 'The partner refused the service account. Check it in the connection.'), ('refused', 'The partner refused the query.'), ('rate_limited', 'The partner asked us to wait. The pull goes on by itself.'), ('unreachable', 'The partner could not be reached. The pull is tried again by itself.'), ('bad_answer', "The partner's answer could not be read. The pull is tried again by itself."), ('stopped', 'The pull was stopped.')], max_length=20, verbose_name='problem')),
                ('error', models.TextField(blank=True, verbose_name='error')),
                ('session_id', models.CharField(blank=True, max_length=200)),
                ('total_pages', models.IntegerField(null=True)),
                ('cohort', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='runs', to='partners.cohort', verbose_name='cohort')),
            ],
            options={
                'verbose_name': 'sync run',
                'verbose_name_plural': 'sync runs',
                'ordering': ['-started_at', '-id'],
            },
        ),
        migrations.CreateModel(
            name='IdentityCursor',
            fields=[
                ('workspace', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='+', serialize=False, to='workspaces.workspace')),
                ('xid', models.BigIntegerField(default=0)),
                ('change', models.BigIntegerField(default=0)),
                ('cluster', models.BigIntegerField(null=True)),
                ('dead', profiles.sets.ProfileSetField(default=profiles.sets.ProfileSet)),
                ('swept_at', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='RunSets',
            fields=[
                ('run', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='sets', serialize=False, to='partners.syncrun')),
                ('added', profiles.sets.ProfileSetField(default=profiles.sets.ProfileSet)),
                ('removed', profiles.sets.ProfileSetField(default=profiles.sets.ProfileSet)),
            ],
        ),
        migrations.CreateModel(
            name='Integration',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('api_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('partner_slug', models.SlugField(verbose_name='partner')),
                ('custom_name', models.CharField(blank=True, max_length=60, verbose_name='name')),
                ('partner_key_prefix', models.CharField(blank=True, editable=False, max_length=16, verbose_name='partner API key')),
                ('partner_key_digest', models.BinaryField(max_length=32, null=True)),
                ('identifiers', models.JSONField(default=list, editable=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='integrations', to='workspaces.workspace', verbose_name='workspace')),
            ],
            options={
                'verbose_name': 'partner integration',
                'verbose_name_plural': 'Technology Partners',
            },
        ),
        migrations.CreateModel(
            name='DataImportKey',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('prefix', models.CharField(editable=False, max_length=16, verbose_name='key')),
                ('digest', models.BinaryField(max_length=32, unique=True)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='made at')),
                ('last_used_at', models.DateTimeField(editable=False, null=True, verbose_name='last used')),
                ('invalidated_at', models.DateTimeField(editable=False, null=True, verbose_name='invalidated at')),
                ('made_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='made by')),
                ('integration', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='import_keys', to='partners.integration')),
            ],
            options={
                'verbose_name': 'data import key',
                'verbose_name_plural': 'data import keys',
                'ordering': ['-made_at', '-id'],
            },
        ),
        migrations.AddField(
            model_name='cohort',
            name='integration',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='cohorts', to='partners.integration'),
        ),
        migrations.CreateModel(
            name='KeyUse',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('hour', models.DateTimeField()),
                ('requests', models.BigIntegerField()),
                ('key', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='uses', to='partners.dataimportkey')),
            ],
        ),
        migrations.CreateModel(
            name='PullConnection',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('options', models.JSONField(default=dict)),
                ('secrets', workspaces.encryption.SecretsField(default=workspaces.encryption.Secrets)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('problem', models.CharField(blank=True, choices=[('replaced', 'A newer full copy arrived before this one was complete.'), ('timed_out', 'Its pages stopped arriving before all were there.'), ('unauthorized', 'The partner refused the service account. Check it in the connection.'), ('refused', 'The partner refused the query.'), ('rate_limited', 'The partner asked us to wait. The pull goes on by itself.'), ('unreachable', 'The partner could not be reached. The pull is tried again by itself.'), ('bad_answer', "The partner's answer could not be read. The pull is tried again by itself."), ('stopped', 'The pull was stopped.')], max_length=20)),
                ('last_error', models.TextField(blank=True)),
                ('wait_until', models.DateTimeField(null=True)),
                ('integration', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='pull', to='partners.integration')),
            ],
        ),
        migrations.CreateModel(
            name='PullQuery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('started_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('ended_at', models.DateTimeField(null=True)),
                ('integration', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='pull_queries', to='partners.integration')),
            ],
        ),
        migrations.CreateModel(
            name='UnmatchedId',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.BinaryField(max_length=16)),
                ('kind', models.CharField(max_length=12, verbose_name='kind')),
                ('label', models.CharField(blank=True, max_length=512, verbose_name='alias label')),
                ('value', models.TextField(verbose_name='identifier')),
                ('since', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='since')),
                ('position', models.BigIntegerField()),
                ('cancelled', models.BooleanField(default=False)),
                ('cohort', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='unmatched', to='partners.cohort')),
                ('run', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='unmatched_ids', to='partners.syncrun')),
            ],
        ),
        migrations.CreateModel(
            name='FullCopy',
            fields=[
                ('run', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='copy', serialize=False, to='partners.syncrun')),
                ('position', models.BigIntegerField()),
                ('total_pages', models.IntegerField(null=True)),
                ('complete_at', models.DateTimeField(null=True)),
                ('matched', profiles.sets.ProfileSetField(default=profiles.sets.ProfileSet)),
                ('later_added', profiles.sets.ProfileSetField(default=profiles.sets.ProfileSet)),
                ('later_removed', profiles.sets.ProfileSetField(default=profiles.sets.ProfileSet)),
                ('cohort', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='copies', to='partners.cohort')),
            ],
        ),
        migrations.CreateModel(
            name='CohortChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(choices=[('push', 'Pushed by the partner'), ('webhook', 'Custom webhook'), ('pull', 'Pulled')], max_length=10)),
                ('session_id', models.CharField(blank=True, max_length=200)),
                ('received_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('page', models.IntegerField(null=True)),
                ('identifiers', models.IntegerField()),
                ('changes', models.BinaryField()),
                ('cohort', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='changes', to='partners.cohort')),
                ('copy', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='pages', to='partners.fullcopy')),
            ],
        ),
        migrations.AddIndex(
            model_name='syncrun',
            index=models.Index(fields=['cohort', '-started_at'], name='run_recent'),
        ),
        migrations.AddIndex(
            model_name='syncrun',
            index=models.Index(condition=models.Q(('session_id', ''), _negated=True), fields=['cohort', 'session_id'], name='run_session'),
        ),
        migrations.AddConstraint(
            model_name='integration',
            constraint=models.UniqueConstraint(fields=('workspace', 'partner_slug'), name='integration_once'),
        ),
        migrations.AddConstraint(
            model_name='cohort',
            constraint=models.UniqueConstraint(fields=('integration', 'cohort_id'), name='cohort_once'),
        ),
        migrations.AddConstraint(
            model_name='keyuse',
            constraint=models.UniqueConstraint(fields=('key', 'hour'), name='key_use_once'),
        ),
        migrations.AddIndex(
            model_name='pullquery',
            index=models.Index(fields=['integration', 'started_at'], name='pull_query_recent'),
        ),
        migrations.AddIndex(
            model_name='unmatchedid',
            index=models.Index(fields=['cohort', 'id'], name='unmatched_order'),
        ),
        migrations.AddIndex(
            model_name='unmatchedid',
            index=models.Index(condition=models.Q(('cancelled', True)), fields=['cohort'], name='unmatched_cancelled'),
        ),
        migrations.AddIndex(
            model_name='unmatchedid',
            index=models.Index(condition=models.Q(('kind__in', ['email', 'device'])), fields=['cohort', 'id'], name='unmatched_unlogged'),
        ),
        migrations.AddIndex(
            model_name='unmatchedid',
            index=models.Index(fields=['digest'], name='unmatched_digest'),
        ),
        migrations.AddIndex(
            model_name='unmatchedid',
            index=models.Index(fields=['run'], name='unmatched_run'),
        ),
        migrations.AddConstraint(
            model_name='unmatchedid',
            constraint=models.UniqueConstraint(fields=('cohort', 'digest'), name='unmatched_once'),
        ),
        migrations.AddConstraint(
            model_name='fullcopy',
            constraint=models.UniqueConstraint(condition=models.Q(('complete_at__isnull', True)), fields=('cohort',), name='one_copy_gathers'),
        ),
        migrations.AddIndex(
            model_name='cohortchange',
            index=models.Index(fields=['cohort', 'id'], name='change_order'),
        ),
        migrations.AddConstraint(
            model_name='cohortchange',
            constraint=models.UniqueConstraint(fields=('copy', 'page'), name='page_once'),
        ),
    ]
