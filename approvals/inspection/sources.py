"""Where the tarballs of an inspection come from: the registry, or what is kept already."""

import logging
from dataclasses import dataclass
from pathlib import Path

from approvals.inspection.leases import Progress
from approvals.inspection.models import KeptTarball
from approvals.inspection.tarballs import TarballGone, fetch, keep_tarball, wanted_again
from approvals.queue.differences import stage_id_difference
from approvals.queue.models import AT_REGISTRY_STATES, AlarmKind, StagedVersion
from approvals.queue.transitions import raise_alarm
from registry_client.client import Download, RegistryClient
from registry_client.downloads import Announced
from registry_client.errors import DigestMismatch, NotFound
from registry_client.versions import PublishedVersion

logger = logging.getLogger(__name__)


class InspectionFailed(Exception):
    """The inspection cannot be made; the text says why and what to do."""


@dataclass
class Sources:
    """Where tarballs come from, and what they are put into meanwhile."""

    row: StagedVersion
    client: RegistryClient
    folder: Path
    progress: Progress

    def _kept(self, sha512: str) -> Download | None:
        """A tarball that is kept, whole and verified, or None."""
        if not sha512 or not wanted_again(sha512):
            return None
        kept = KeptTarball.objects.filter(sha512=sha512).values_list("size", flat=True)
        self.progress.storing("Fetching a kept tarball", kept.first() or 0)
        try:
            return fetch(sha512, self.folder / f"{sha512}.tgz")
        except TarballGone:
            return None

    def _keep(self, download: Download) -> None:
        """Keeps a tarball; the inspection does without where the storage fails."""
        self.progress.storing("Keeping the tarball", download.size)
        try:
            keep_tarball(download)
        except Exception:
            # Storages raise what their libraries raise.
            logger.exception(
                "stage=%s the tarball %s could not be kept", self.row.stage_id, download.sha512
            )

    def staged(self) -> Download:
        """The staged tarball, fresh from the registry."""
        item = self.client.staged_version(str(self.row.stage_id))
        self._no_difference(stage_id_difference(self.row, item))
        download = self.client.download_staged(
            item,
            self.folder / "staged.tgz",
            on_progress=self.progress.downloading("Downloading the staged tarball"),
        )
        if self.row.sha512 and download.sha512 != self.row.sha512:
            self._no_difference(
                "The registry now sends another tarball with the same SHA-1 for this stage id: "
                "somebody made two tarballs that collide. Do not approve it, ask who staged it."
            )
        self._keep(download)
        return download

    def _no_difference(self, difference: str) -> None:
        if difference:
            raise_alarm(self.row, AlarmKind.STAGE_CHANGED, difference)
            raise InspectionFailed(difference)

    def published(self, version: PublishedVersion) -> Download:
        """A published tarball, from the registry where it is not kept."""
        announced = Announced.of(shasum=version.shasum, integrity=version.integrity)
        return self._kept_as(announced) or self._downloaded(version)

    def _kept_as(self, announced: Announced) -> Download | None:
        # SHA-1 alone names nothing: two tarballs with the same can be made.
        digests = announced.digests.get("sha512", frozenset())
        if len(digests) != 1:
            return None
        kept = self._kept(*digests)
        if kept and kept.sha1 in announced.digests.get("sha1", {kept.sha1}):
            return kept
        return None

    def _downloaded(self, version: PublishedVersion) -> Download:
        try:
            download = self.client.download_published(
                version,
                self.folder / "baseline.tgz",
                on_progress=self.progress.downloading(f"Downloading {version.version}"),
            )
        except NotFound as error:
            raise InspectionFailed(
                f"The published tarball of {version.version}, which this version would be "
                f"compared with, cannot be had: {error}"
            ) from error
        except DigestMismatch as error:
            # Not the staged tarball's fault, so it raises no alarm on it; but nothing to compare.
            raise InspectionFailed(
                f"The published tarball of {version.version} is not the one the registry "
                f"announces: {error}"
            ) from error
        self._keep(download)
        return download

    def staged_or_kept(self) -> Download:
        """The staged tarball as it was compared before: the only one, after a decision.

        Enough where no decision stands on it.
        """
        if kept := self._kept(self.row.sha512):
            return kept
        if self.row.state not in AT_REGISTRY_STATES:
            raise InspectionFailed(
                "The tarball is kept neither at the registry nor here any more, so that it cannot "
                "be compared again."
            )
        return self.staged()
