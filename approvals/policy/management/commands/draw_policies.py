from django.core.management.base import BaseCommand

from approvals.policy.diagram import diagram


class Command(BaseCommand):
    help = (
        "Prints the states of a staged version and the requirements of policies as Markdown, as "
        "they stand in the README."
    )

    def handle(self, *args: object, **options: object) -> None:
        self.stdout.write(diagram())
