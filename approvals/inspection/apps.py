from django.apps import AppConfig


class InspectionConfig(AppConfig):
    name = "approvals.inspection"
