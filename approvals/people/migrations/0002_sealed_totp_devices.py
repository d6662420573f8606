"""A migration of its own: django-otp's tables point to the user's, and this one to django-otp's."""

import django.db.models.deletion
from django.db import migrations, models

import approvals.sealing


class Migration(migrations.Migration):
    dependencies = [
        ("otp_totp", "0003_add_timestamps"),
        ("people", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="SealedTOTPDevice",
            fields=[
                (
                    "totpdevice_ptr",
                    models.OneToOneField(
                        auto_created=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        parent_link=True,
                        primary_key=True,
                        serialize=False,
                        to="otp_totp.totpdevice",
                    ),
                ),
                ("sealed_key", approvals.sealing.SealedField()),
            ],
            options={
                "verbose_name": "authenticator app",
            },
            bases=("otp_totp.totpdevice",),
        ),
    ]
