from django.apps import AppConfig


class PeopleConfig(AppConfig):
    name = "approvals.people"

    def ready(self) -> None:
        from approvals.people import signals  # noqa: F401 - connects; needs the models
