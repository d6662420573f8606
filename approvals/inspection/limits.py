"""The limits that this machine's operator has set."""

from django.conf import settings

from approvals.inspection.results import CompareLimits
from registry_client.tarball import Limits


def tarball_limits() -> Limits:
    """How much a tarball may ask of whoever reads it."""
    return Limits(**settings.TARBALL_LIMITS)


def compare_limits() -> CompareLimits:
    """How much work and text one comparison may cost."""
    return CompareLimits(tarball=tarball_limits(), **settings.DIFF_LIMITS)
