import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import profiles.sets
import segments.models
import uuid
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
            name='Segment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('api_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('description', models.TextField(blank=True, verbose_name='description')),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, size=None, verbose_name='tags')),
                ('filters', models.JSONField(default=segments.models.empty_tree)),
                ('version', models.IntegerField(default=1, editable=False)),
                ('created_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='created at')),
                ('edited_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False, verbose_name='last edited')),
                ('archived_at', models.DateTimeField(editable=False, null=True, verbose_name='archived at')),
                ('name', models.CharField(max_length=200, verbose_name='segment name')),
                ('size', models.BigIntegerField(editable=False, null=True, verbose_name='size')),
                ('size_at', models.DateTimeField(editable=False, null=True)),
                ('created_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('edited_by', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='segments', to='workspaces.workspace', verbose_name='workspace')),
            ],
            options={
                'verbose_name': 'segment',
                'verbose_name_plural': 'segments',
                'ordering': ['-edited_at'],
                'abstract': False,
            },
        ),
        migrations.CreateModel(
            name='SegmentChange',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('version', models.IntegerField()),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('name', models.CharField(max_length=200)),
                ('description', models.TextField(blank=True)),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=50), blank=True, default=list, size=None)),
                ('filters', models.JSONField()),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('segment', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='history', to='segments.segment')),
            ],
            options={
                'ordering': ['-version'],
            },
        ),
        migrations.CreateModel(
            name='SegmentExport',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('source', models.CharField(choices=[('dashboard', 'Dashboard'), ('rest', 'REST API')], max_length=10, verbose_name='asked for in')),
                ('format', models.CharField(choices=[('csv', 'CSV'), ('zip', 'JSON lines, zip'), ('gzip', 'JSON lines, gzip')], max_length=10, verbose_name='format')),
                ('fields', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None, verbose_name='fields')),
                ('prefix', models.CharField(editable=False, max_length=64, unique=True)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), verbose_name='asked for at')),
                ('state', models.CharField(choices=[('waiting', 'Waiting'), ('running', 'Exporting'), ('done', 'Done'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='waiting', max_length=10, verbose_name='state')),
                ('failure', models.CharField(blank=True, choices=[('archived', 'The segment has been archived. Bring it back from the archive and export it again.'), ('broken', 'Correct the filters of the segment and export it again.'), ('file_missing', 'The file is gone. Web servers and workers must share the directory EXPORT_DIR.'), ('internal', 'An internal error stopped the export. The log of the worker tells more.')], max_length=20, verbose_name='failure')),
                ('detail', models.JSONField(default=dict)),
                ('users', profiles.sets.ProfileSetField(default=profiles.sets.ProfileSet)),
                ('total', models.BigIntegerField(null=True, verbose_name='users')),
                ('done', models.BigIntegerField(default=0, verbose_name='users in the file')),
                ('chunks', models.IntegerField(default=0)),
                ('position', models.BigIntegerField(default=0)),
                ('size', models.BigIntegerField(default=0, verbose_name='size')),
                ('started_at', models.DateTimeField(null=True, verbose_name='started at')),
                ('ended_at', models.DateTimeField(null=True, verbose_name='ended at')),
                ('expires_at', models.DateTimeField(null=True, verbose_name='available until')),
                ('callback_url', models.TextField(blank=True)),
                ('callback_at', models.DateTimeField(null=True)),
                ('callback_attempts', models.SmallIntegerField(default=0)),
                ('callback_error', models.TextField(blank=True)),
                ('api_key', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='workspaces.apikey', verbose_name='API key')),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='made by')),
                ('segment', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='exports', to='segments.segment', verbose_name='segment')),
                ('workspace', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='segment_exports', to='workspaces.workspace', verbose_name='workspace')),
            ],
            options={
                'verbose_name': 'segment export',
                'verbose_name_plural': 'segment exports',
                'ordering': ['-pk'],
            },
        ),
        migrations.CreateModel(
            name='SegmentSize',
            fields=[
                ('pk', models.CompositePrimaryKey('segment_id', 'day', blank=True, editable=False, primary_key=True, serialize=False)),
                ('day', models.DateField(verbose_name='day')),
                ('size', models.BigIntegerField(verbose_name='size')),
                ('segment', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='sizes', to='segments.segment')),
            ],
            options={
                'verbose_name': 'size of a segment',
                'verbose_name_plural': 'sizes of segments',
            },
        ),
        migrations.CreateModel(
            name='SegmentView',
            fields=[
                ('pk', models.CompositePrimaryKey('segment_id', 'user_id', blank=True, editable=False, primary_key=True, serialize=False)),
                ('version', models.IntegerField()),
                ('segment', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='views', to='segments.segment')),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to=settings.AUTH_USER_MODEL)),
            ],
        ),
        migrations.CreateModel(
            name='UserList',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('api_id', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('name', models.CharField(blank=True, max_length=255, verbose_name='name')),
                ('ids', django.contrib.postgres.fields.ArrayField(base_field=models.TextField(), size=None)),
                ('count', models.IntegerField(verbose_name='ids')),
                ('digest', models.BinaryField(max_length=32)),
                ('made_at', models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ('made_by', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('workspace', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='workspaces.workspace')),
            ],
            options={
                'verbose_name': 'list of users',
                'verbose_name_plural': 'lists of users',
            },
        ),
        migrations.AddConstraint(
            model_name='segment',
            constraint=models.UniqueConstraint(fields=('workspace', 'name'), name='segment_name_once'),
        ),
        migrations.AddConstraint(
            model_name='segmentchange',
            constraint=models.UniqueConstraint(fields=('segment', 'version'), name='segment_change_once'),
        ),
        migrations.AddIndex(
            model_name='segmentexport',
            index=models.Index(condition=models.Q(('state__in', ['waiting', 'running'])), fields=['id'], name='segment_export_work'),
        ),
        migrations.AddIndex(
            model_name='segmentexport',
            index=models.Index(condition=models.Q(('callback_at', None), _negated=True), fields=['callback_at'], name='segment_export_callback'),
        ),
        migrations.AddConstraint(
            model_name='segmentexport',
            constraint=models.UniqueConstraint(condition=models.Q(('state__in', ['waiting', 'running'])), fields=('segment', 'source'), name='segment_export_one_at_a_time'),
        ),
        migrations.AddConstraint(
            model_name='userlist',
            constraint=models.UniqueConstraint(fields=('workspace', 'name', 'digest'), name='user_list_once'),
        ),
    ]
