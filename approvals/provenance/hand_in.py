"""Bundles that CI or a person hands in for one staged version.

Anybody may: a bundle proves itself against the tarball's digest, or is refused.
"""

import zlib

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone

from approvals.audit import outbox
from approvals.audit.record import record
from approvals.provenance.bundles import (
    NoBundles,
    bundles_in_text,
    sha256_of,
    text_of,
)
from approvals.provenance.examine import Tarball, predicate_type, verified
from approvals.provenance.keep import keep, proven
from approvals.provenance.models import HandedInBundle, Provenance, ProvenanceCheck
from approvals.provenance.settle import settle
from approvals.provenance.trust import TrustUnusable, trust_for
from approvals.queue.models import AT_REGISTRY_STATES, StagedVersion
from registry_client.provenance import MAX_BUNDLE, Trust, Verification, is_provenance

MOST_BUNDLES_EACH = 10
State = ProvenanceCheck.State


class BundleRefused(Exception):
    """The bundle is of no use here; the text says why, for whoever handed it in."""


def hand_in(
    staged_version: StagedVersion,
    content: bytes,
    *,
    actor: AbstractBaseUser | None,
    given_with: str = "",
) -> HandedInBundle:
    """Takes a bundle, or an answer about attestations with exactly one provenance in it.

    Where the tarball's digest is known it is verified on the spot, and what it proves shows at
    once; else the worker verifies it as soon as it is. `actor` is None where CI hands it in, and
    `given_with` then names its token. One that was handed in already is returned again. Raises
    BundleRefused.
    """
    bundle = _the_provenance(content)
    row = StagedVersion.objects.with_package().get(pk=staged_version.pk)
    trust = _trust(row)
    verification = _verified(row, bundle, trust) if row.sha512 else None
    with transaction.atomic():
        # Whoever else hands one in waits here; workers that look for it do not.
        locked = StagedVersion.objects.select_for_update(no_key=True).get(pk=row.pk)
        if locked.sha512 != row.sha512:
            # The inspection has just seen the tarball: the worker verifies it.
            verification = None
        if locked.state not in AT_REGISTRY_STATES:
            raise BundleRefused(
                f"{row} is not waiting at the registry any more: nothing is to be proven."
            )
        same = HandedInBundle.objects.filter(staged_version=row, sha256=sha256_of(bundle))
        kept = same.first()
        if kept is not None and (verification is None or not kept.refusal):
            return kept
        if kept is None:
            _make_room(row)
            kept = HandedInBundle.objects.create(
                staged_version=row,
                sha256=sha256_of(bundle),
                compressed=zlib.compress(bundle.encode()),
                handed_in_by_id=actor.pk if actor else None,
            )
        else:
            # It was refused before: by another trusted root, or for another tarball.
            same.update(refusal="")
            kept.refusal = ""
        check = _look_soon(row)
        if verification is not None:
            # What it proves, for everyone to see at once.
            found = proven(verification, bundle, Provenance.Source.HANDED_IN, trust)
            settle(check, provenance=keep(row.package, row.version, row.sha512, found))
        outbox.publish("provenance.handed_in", stage_id=row.stage_id)
        record(
            "provenance.handed_in",
            actor=actor,
            subject=row,
            stage_id=row.stage_id,
            sha256=kept.sha256,
            verified=verification is not None,
            **({"token": given_with} if given_with else {}),
        )
    return kept


def _the_provenance(content: bytes) -> str:
    if len(content) > MAX_BUNDLE:
        raise BundleRefused(
            f"The file has {len(content):,} bytes; a bundle has at most {MAX_BUNDLE:,}."
        )
    try:
        bundles = [text_of(one) for one in bundles_in_text(content, most=MAX_BUNDLE)]
    except NoBundles as error:
        raise BundleRefused(f"This is not a Sigstore bundle. {error}") from error
    found = [bundle for bundle in bundles if is_provenance(predicate_type(bundle))]
    if len(found) != 1:
        how_many = f"{len(found)} of them" if found else "none"
        raise BundleRefused(
            f"There must be exactly one bundle with SLSA provenance in it, and there is {how_many}."
        )
    return found[0]


def _trust(row: StagedVersion) -> Trust:
    try:
        return trust_for(row.registry)
    except TrustUnusable as error:
        raise BundleRefused(f"It cannot be verified: {error}") from error


def _verified(row: StagedVersion, bundle: str, trust: Trust) -> Verification:
    about = Tarball(row.package.name, row.version, row.sha512)
    verification = verified(bundle, about, trust, stage_id=row.stage_id)
    if not verification.verified:
        raise BundleRefused(verification.reason)
    return verification


def _make_room(row: StagedVersion) -> None:
    """For one more; the oldest that was refused goes for it. Raises BundleRefused."""
    rows = HandedInBundle.objects.filter(staged_version=row)
    if rows.count() < MOST_BUNDLES_EACH:
        return
    oldest = rows.exclude(refusal="").order_by("handed_in_at", "pk").first()
    if oldest is None:
        raise BundleRefused(
            f"{MOST_BUNDLES_EACH} bundles were handed in for {row} already, which is as many as "
            "are kept."
        )
    oldest.delete()


def _look_soon(row: StagedVersion) -> ProvenanceCheck:
    """A look that is under way may have passed the bundle by: another follows it at once."""
    check, _ = ProvenanceCheck.objects.get_or_create(staged_version=row)
    now = timezone.now()
    checks = ProvenanceCheck.objects.filter(pk=check.pk)
    checks.update(requested_at=now)
    checks.filter(state=State.WAITING).update(due_at=now, looks=0)
    return check
