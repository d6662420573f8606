"""Keeping what was found out about a tarball: it only ever gets better."""

import zlib
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Q
from django.utils import timezone

from approvals.provenance.examine import Examined, Tarball, verified
from approvals.provenance.models import Provenance
from approvals.queue.models import Package
from registry_client.errors import clean_words
from registry_client.provenance import MAX_BUNDLE, PublishVerification, Trust, Verification

Outcome, Publish = Provenance.Outcome, Provenance.Publish
# A bundle that failed was offered for this tarball, and stays known when it is offered no more.
_REPLACES = {
    Outcome.VERIFIED: [Outcome.REFUSED, Outcome.MISSING],
    Outcome.REFUSED: [Outcome.REFUSED, Outcome.MISSING],
    Outcome.MISSING: [Outcome.MISSING],
}
_SOURCES = list(Provenance.Source)


@dataclass(frozen=True)
class Found:
    """What was found out about a tarball, and where."""

    outcome: Provenance.Outcome
    reason: str
    source: str = ""
    verification: Verification | None = None
    bundle: str = ""
    trust: Trust | None = None
    publish: PublishVerification | None = None

    def columns(self) -> dict[str, Any]:
        """As Provenance has them."""
        proven = self.verification
        build = proven.build if proven else None
        bundle = self.bundle.encode()
        return {
            "outcome": self.outcome,
            "reason": clean_words(self.reason, 1000),
            "source": self.source,
            "predicate_type": clean_words(proven.predicate_type, 200) if proven else "",
            "build": asdict(build) if build else {},
            "log_index": proven.log_index if proven else None,
            "signed_at": proven.signed_at if proven else None,
            "root": self.trust.fingerprint if self.trust else "",
            "is_public": self.outcome == Outcome.VERIFIED
            and self.trust is not None
            and self.trust.is_public,
            "compressed": zlib.compress(bundle) if 0 < len(bundle) <= MAX_BUNDLE else b"",
            "checked_at": timezone.now(),
            **self.publish_columns(),
        }

    def publish_columns(self) -> dict[str, str]:
        """Those about the registry's own attestation."""
        if self.publish is None:
            return {"publish": "", "publish_reason": ""}
        return {
            "publish": self.publish.state,
            "publish_reason": clean_words(self.publish.reason, 600),
        }


def missing(reason: str, publish: PublishVerification | None = None) -> Found:
    """There is no bundle."""
    return Found(Outcome.MISSING, reason, publish=publish)


def refused(examined: Examined, source: str, trust: Trust) -> Found:
    """There are bundles, and none of them proves anything: what is wrong with the first."""
    bundle, verification = examined.refused[0]
    return Found(
        Outcome.REFUSED, verification.reason, source, verification, bundle, trust, examined.publish
    )


def proven(
    verification: Verification,
    bundle: str,
    source: str,
    trust: Trust,
    publish: PublishVerification | None = None,
) -> Found:
    """A bundle was verified."""
    return Found(
        Outcome.VERIFIED, verification.reason, source, verification, bundle, trust, publish
    )


def keep(package: Package, version: str, sha512: str, found: Found) -> Provenance:
    """The row for this tarball, with what was found unless better is known already.

    Any number of workers may find out about the same tarball at once.
    """
    columns = found.columns()
    row, is_new = Provenance.objects.get_or_create(
        package=package, version=version, sha512=sha512, defaults=columns
    )
    if is_new:
        return row
    same = Provenance.objects.filter(pk=row.pk)
    replaceable = Q(outcome__in=_REPLACES[found.outcome])
    if found.outcome == Outcome.VERIFIED:
        # It proves more than what was verified with a trusted root that counts no more, and is
        # better than what a worse source had.
        worse = _SOURCES[_SOURCES.index(Provenance.Source(found.source)) + 1 :]
        replaceable |= ~Q(root=columns["root"]) | Q(source__in=worse)
    if found.outcome == Outcome.REFUSED:
        # It may say already that an earlier root verified it, too.
        said = {"root": columns["root"], "reason__endswith": columns["reason"]}
        replaceable &= ~Q(outcome=Outcome.REFUSED, compressed=columns["compressed"], **said)
    replaced = same.filter(replaceable).update(**columns)
    if not replaced:
        same.update(checked_at=timezone.now())
        if found.publish is not None:
            # The registry's word comes when it publishes, long after the build was proven.
            same.filter(publish__in=[Publish.NONE, Publish.UNVERIFIED]).update(
                **found.publish_columns()
            )
    row.refresh_from_db()
    return row


def is_outdated(row: Provenance, trust: Trust) -> bool:
    """Whether a bundle was verified or refused with another trusted root than this one.

    The same root may be a registry's own and the public one: then it proves the same, and only
    what everybody can look up is another question.
    """
    if not row.root:
        return False
    return row.root != trust.fingerprint or (row.is_verified and row.is_public != trust.is_public)


def verify_again(row: Provenance, package: str, trust: Trust, *, stage_id: Any) -> Provenance:
    """The row, as the trusted root that counts now has it.

    What was verified or refused with another one is verified again, offline, by the bundle that
    was kept. A root that is trusted no more takes back what it proved.
    """
    if not is_outdated(row, trust):
        return row
    same = Provenance.objects.filter(pk=row.pk, root=row.root, outcome=row.outcome)
    if bundle := row.bundle:
        about = Tarball(package, row.version, row.sha512)
        verification = verified(bundle, about, trust, stage_id=stage_id)
        reason = verification.reason
        if row.is_verified and not verification.verified:
            reason = f"It was verified with a trusted root that counts no more. Now: {reason}"
        outcome = Outcome.VERIFIED if verification.verified else Outcome.REFUSED
        columns = Found(outcome, reason, row.source, verification, bundle, trust).columns()
        for name in ("publish", "publish_reason"):
            del columns[name]
        same.update(**columns)
    else:
        # Too large to be kept: it was refused for that, and no root changes it.
        same.update(root=trust.fingerprint)
    return Provenance.objects.defer("compressed").get(pk=row.pk)
