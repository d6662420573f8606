"""The way back in for somebody who lost every second factor, and has no administrator to ask."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.people.enrolment import reset_from_command_line
from approvals.people.models import User


class Command(BaseCommand):
    help = (
        "Removes all passkeys, authenticator apps and recovery codes of a person, who sets up new "
        "ones after signing in with the password. For an administrator who lost all of them: of "
        "everybody else, administrators do it on the person's page. It is recorded, and the "
        "person is told."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username", help="the user name of the person")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        person = User.objects.filter(username__iexact=username).first()
        if person is None:
            raise CommandError(f"Nobody here has the user name {username}.")
        if not reset_from_command_line(person):
            raise CommandError(f"{person} has no second factor: sign in, and set one up.")
        self.stdout.write(
            f"{person} has no second factor any more, and is signed out everywhere. Signing in "
            "with the password now leads to setting up a new one: do it at once."
        )
