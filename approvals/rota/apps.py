from django.apps import AppConfig


class RotaConfig(AppConfig):
    name = "approvals.rota"
