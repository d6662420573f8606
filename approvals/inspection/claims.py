"""Two workers given the same two tarballs compare them once: one claims the pair, the other waits.

A claim has a lease, as all work has: that of a worker that died runs out, and somebody else may
take the pair.
"""

from dataclasses import dataclass, field
from datetime import datetime

from django.utils import timezone

from approvals.inspection.engine import engine_version
from approvals.inspection.models import Inspection, PairClaim


class PairTaken(Exception):
    """Another worker is comparing the same tarballs."""


@dataclass(frozen=True)
class Pair:
    """Two tarballs by their SHA-512, to be compared with this engine; no baseline is ""."""

    staged_sha512: str
    baseline_sha512: str
    engine_version: str = field(default_factory=engine_version)

    def inspection(self) -> Inspection | None:
        """The finished comparison, if there is one."""
        return Inspection.objects.filter(**vars(self)).first()


def take(pair: Pair, holder: str, *, until: datetime) -> None:
    """Claims the pair for this holder. Raises PairTaken."""
    over = PairClaim.objects.filter(**vars(pair), lease_until__lt=timezone.now())
    if over.update(holder=holder, lease_until=until):
        return
    _, created = PairClaim.objects.get_or_create(
        **vars(pair), defaults={"holder": holder, "lease_until": until}
    )
    if not created:
        raise PairTaken


def renew(pair: Pair, holder: str, *, until: datetime) -> None:
    """Keeps the claim. Raises PairTaken where it ran out and somebody else has it."""
    if not PairClaim.objects.filter(**vars(pair), holder=holder).update(lease_until=until):
        raise PairTaken


def let_go(pair: Pair, holder: str) -> None:
    """Ends the claim, if it is still this holder's."""
    PairClaim.objects.filter(**vars(pair), holder=holder).delete()


def forget_dead(*, until: datetime) -> None:
    """Removes what was left by workers that died before that moment."""
    PairClaim.objects.filter(lease_until__lt=until).delete()
