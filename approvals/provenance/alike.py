"""Whether two releases were built in the same place: fact by fact, strictly, on the whole texts.

What is not known of one of them is never the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urlsplit

from approvals.provenance.refs import same_kind
from registry_client.provenance import Build

# https://docs.github.com/en/actions/reference/events-that-trigger-workflows and, for GitLab,
# https://docs.gitlab.com/ci/jobs/job_rules/#ci_pipeline_source-predefined-variable. A workflow_run
# follows whatever started the other workflow.
REQUEST_TRIGGERS = frozenset(
    {"pull_request", "pull_request_target", "merge_request_event", "external_pull_request_event"}
)
_OF_STRANGERS = REQUEST_TRIGGERS | {
    *("pull_request_comment", "pull_request_review", "pull_request_review_comment"),
    *("issues", "issue_comment", "discussion", "discussion_comment"),
    *("workflow_run", "fork", "watch", "gollum"),
}


@dataclass(frozen=True)
class Release:
    """A version and where it was proven to be built."""

    version: str
    build: Build
    signed_at: datetime | None = None


def same_repository(now: Release, before: Release) -> bool:
    """By the host's number for it, which outlives renames; by address where one has none."""
    if now.build.repository_id and before.build.repository_id:
        return now.build.repository_id == before.build.repository_id and _same_host(now, before)
    return same_address(now.build.repository, before.build.repository)


def is_same_by_address(now: Release, before: Release) -> bool:
    """The same as far as its address tells; a number that would tell more is not known of one."""
    has_numbers = now.build.repository_id and before.build.repository_id
    return not has_numbers and same_repository(now, before)


def with_numbers(release: Release, others: Iterable[Release]) -> Release:
    """The release with the host's numbers for its repository and owner, where its own certificate
    has none: those that the first of the others tells for the same address."""
    build = release.build
    for other in () if build.repository_id else others:
        if other.build.repository_id and same_address(other.build.repository, build.repository):
            owner_id = build.owner_id or other.build.owner_id
            numbered = replace(build, repository_id=other.build.repository_id, owner_id=owner_id)
            return replace(release, build=numbered)
    return release


def is_renamed(now: Release, before: Release) -> bool:
    """One repository with two addresses."""
    is_same = same_repository(now, before)
    return is_same and not same_address(now.build.repository, before.build.repository)


def is_transferred(now: Release, before: Release) -> bool:
    """One repository that has another address because it has another owner: no mere rename."""
    return is_renamed(now, before) and not same_owner(now, before)


def same_owner(now: Release, before: Release) -> bool:
    """By the host's number for the owner; by address where one has none."""
    if now.build.owner_id and before.build.owner_id:
        return now.build.owner_id == before.build.owner_id and _same_host(now, before)
    return same_address(owner_of(now.build), owner_of(before.build))


def owner_of(build: Build) -> str:
    """The owner's address, which every repository's own begins with."""
    return build.owner or build.repository.rpartition("/")[0]


def same_workflow(now: Release, before: Release) -> bool:
    """The same file of the same repository, whatever its ref, and the same reusable one if any."""
    if not now.build.workflow or not before.build.workflow:
        return False
    same_file = workflow_of(now.build) == workflow_of(before.build)
    return same_file and reusable_of(now.build) == reusable_of(before.build)


def workflow_of(build: Build) -> str:
    """The workflow's path; with its repository's address before it where that is another one."""
    home = build.workflow_repository
    if not home or not build.workflow or same_address(home, build.repository):
        return build.workflow
    return f"{home}/{build.workflow}"


def reusable_of(build: Build) -> str:
    """The workflow that signed, without its ref, where it is not the one that was started.

    A path where it is of the same repository, an address where it is not, "" where there is none.
    """
    signer = build.signer_workflow
    # From the right: at worst a ref's beginning stays, and an alarm is raised for nothing.
    for mark in ("@refs/", "@"):
        if mark in signer:
            signer = signer.rpartition(mark)[0]
            break
    for home in (build.repository, build.workflow_repository):
        if home and same_address(signer[: len(home) + 1], f"{home}/"):
            path = signer[len(home) :].lstrip("/")
            if path == build.workflow:
                return ""
            return path if home == build.repository else signer
    return signer


def same_ref(now: Release, before: Release) -> bool:
    """The same branch, or tags that are named alike."""
    return same_kind(now.build.ref, now.version, before.build.ref, before.version)


def same_builder(now: Release, before: Release) -> bool:
    """The same kind of runner; the same builder where one of them names no runner."""
    if now.build.runner and before.build.runner:
        return same_runner(now, before)
    # Self-hosted is the same only as another that is known to be so.
    if now.build.runner == "self-hosted":
        return False
    return bool(now.build.builder) and now.build.builder == before.build.builder


def same_runner(now: Release, before: Release) -> bool:
    """Both hosted, or both self-hosted."""
    return bool(now.build.runner) and now.build.runner == before.build.runner


def same_environment(now: Release, before: Release) -> bool:
    """The same deployment environment, or none."""
    return now.build.environment == before.build.environment


def same_trigger(now: Release, before: Release) -> bool:
    """Started by the same kind of event."""
    return bool(now.build.trigger) and now.build.trigger == before.build.trigger


def same_place(now: Release, before: Release) -> bool:
    """Repository, owner, workflow and kind of ref, and nothing else that is known to differ.

    Older certificates name no environment and no trigger: that one is named now says nothing.
    """
    same = (same_repository, same_owner, same_workflow, same_ref)
    other = (other_builder, other_environment, other_trigger)
    return all(is_same(now, before) for is_same in same) and not any(
        is_other(now, before) for is_other in other
    )


def other_environment(now: Release, before: Release) -> bool:
    """Not the deployment environment that the earlier one names."""
    return bool(before.build.environment) and not same_environment(now, before)


def other_trigger(now: Release, before: Release) -> bool:
    """Not started by the kind of event that the earlier one names; or by one that strangers cause,
    and may differ."""
    is_told = before.build.trigger or is_open_to_strangers(now.build.trigger)
    return bool(is_told) and not same_trigger(now, before)


def is_open_to_strangers(trigger: str) -> bool:
    """Whether anybody who can see the repository can cause this event."""
    return trigger in _OF_STRANGERS


def other_builder(now: Release, before: Release) -> bool:
    """It is known to differ, or is self-hosted and may differ."""
    # Early certificates name no runner, and hosted is what most were.
    if now.build.runner == "hosted" and not before.build.runner:
        return False
    is_told = before.build.runner or before.build.builder or now.build.runner == "self-hosted"
    return bool(is_told) and not same_builder(now, before)


def same_address(one: str, other: str) -> bool:
    """Hosts of repositories tell no upper from lower case."""
    return bool(one) and one.casefold() == other.casefold()


def _same_host(now: Release, before: Release) -> bool:
    # Every host counts from one: a number says nothing without it.
    return host_of(now.build.repository) == host_of(before.build.repository)


def host_of(address: str) -> str:
    """The host, and its port if there is one, or "" where this is no address."""
    try:
        return urlsplit(address).netloc.lower()
    except ValueError:
        return ""
