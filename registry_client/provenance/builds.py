"""What a verified bundle says about a build, and how it is said that one proves nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from registry_client.errors import clean_words

MAX_REASON = 900
MAX_QUOTED = 200


@dataclass(frozen=True)
class Build:
    """Where a tarball was built: what the signing certificate says, completed by the predicate.

    Texts are "" where neither says it. `platform` is "github" or "gitlab". `repository` and `owner`
    are addresses without a final slash or `.git`; `ref`, `workflow_ref` are full refs
    (`refs/heads/main`); `commit` is hex; `workflow` is the path of the top-level workflow file in
    its repository, `workflow_repository` the repository that it is from; `signer_workflow` is the
    whole address of the workflow that signed, which differs where a reusable workflow did; `runner`
    is "hosted", "self-hosted" or "". The predicate, which the workflow writes itself, is believed
    only about `builder`, and about `run_url` where an early certificate is silent. `triggered_by`
    (names of accounts with spaces between them) and `triggered_by_ids` (their numbers) are what it
    says of who started the run: for that, somebody may be kept out, and nobody let in.
    """

    platform: str
    issuer: str
    repository: str
    repository_id: str = ""
    owner: str = ""
    owner_id: str = ""
    ref: str = ""
    commit: str = ""
    workflow: str = ""
    workflow_ref: str = ""
    workflow_repository: str = ""
    signer_workflow: str = ""
    trigger: str = ""
    runner: str = ""
    builder: str = ""
    run_url: str = ""
    visibility: str = ""
    environment: str = ""
    triggered_by: str = ""
    triggered_by_ids: str = ""


@dataclass(frozen=True)
class Verification:
    """What became of verifying one bundle against one tarball of one version.

    `reason` says in plain words why it is verified or not. `build`, `log_index`, `signed_at` (UTC)
    are there only if it is. `predicate_type` is what the statement calls itself, proven or not.
    """

    verified: bool
    reason: str
    predicate_type: str = ""
    build: Build | None = None
    log_index: int | None = None
    signed_at: datetime | None = None


class NotProven(ValueError):
    """Why a bundle proves nothing: a plain sentence, fit for a page."""

    def __init__(self, reason: str) -> None:
        super().__init__(clean_words(reason, MAX_REASON))


def quoted(text: str) -> str:
    """Text from a bundle for use in a sentence: one line, at most 200 characters."""
    return clean_words(text, MAX_QUOTED) or "nothing"
