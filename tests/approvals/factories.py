"""Plain functions that make rows for tests: sensible where nothing is said, unique where needed."""

import hashlib
import itertools
import json
import tempfile
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from approvals.audit.record import record
from approvals.decisions.carrying_out.outcomes import question_binding
from approvals.decisions.models import Action, Decision, DecisionItem, ItemState, StepUp
from approvals.inspection.compare import ENGINE, compare_tarballs
from approvals.inspection.finding import Finding, Severity, findings_from
from approvals.inspection.keep import keep
from approvals.inspection.models import (
    FileChange,
    FileDiff,
    Inspection,
    InspectionRequest,
    OtherBaselineRequest,
    StagedFinding,
    UnchangedFiles,
)
from approvals.inspection.standing import write_findings
from approvals.inspection.tarballs import keep_tarball
from approvals.people.models import RegistryAccount, Role, Team, User
from approvals.policy.book import CHANGED, DEFAULT, Policy, seal_revision
from approvals.policy.models import PolicyRevision
from approvals.provenance.case import case_of
from approvals.provenance.findings import findings_of
from approvals.provenance.models import Provenance, ProvenanceCheck
from approvals.provenance.verdict import verdict_of
from approvals.queue.models import Package, Registry, StagedVersion, State
from approvals.sealing import seal
from registry_client.client import Download
from registry_client.provenance import Build
from registry_client.tarball import read_tarball

_numbers = itertools.count(1)

MANIFEST_OLD: dict[str, Any] = {
    "name": "left-pad",
    "version": "1.4.2",
    "description": "Pads a string on the left",
    "license": "MIT",
    "engines": {"node": ">=18"},
    "scripts": {"test": "node --test"},
    "dependencies": {"ms": "^2.1.3"},
}
MANIFEST_NEW: dict[str, Any] = {
    **MANIFEST_OLD,
    "version": "1.5.0",
    "engines": {"node": ">=20"},
    "scripts": {"test": "node --test", "postinstall": "node setup.js"},
    "dependencies": {"ms": "^2.1.3", "tiny-http": "0.1.0"},
}
UNCHANGED = (("LICENSE", 1064, "docs"), ("lib/pad.js", 480, "source"), ("test.js", 300, "source"))
BUILT = Build(
    platform="github",
    issuer="https://token.actions.githubusercontent.com",
    repository="https://github.com/acme/left-pad",
    repository_id="40001",
    owner="https://github.com/acme",
    owner_id="9001",
    ref="refs/heads/main",
    commit="f0b49a04e5a62250e0f60fb128004a73110fe311",
    workflow=".github/workflows/release.yml",
    workflow_ref="refs/heads/main",
    workflow_repository="https://github.com/acme/left-pad",
    signer_workflow=(
        "https://github.com/acme/left-pad/.github/workflows/release.yml@refs/heads/main"
    ),
    trigger="push",
    runner="hosted",
    builder="https://github.com/actions/runner/github-hosted",
    run_url="https://github.com/acme/left-pad/actions/runs/77001/attempts/1",
    visibility="public",
)
_BUILD_FIELDS = frozenset(asdict(BUILT))
DIFF = """@@ -1,3 +1,4 @@
 'use strict'
-const pad = ' '
+const pad = '\\u00a0'
+const width = 80
 module.exports = leftPad
"""


def make_user(username: str = "", *, role: Role | str = Role.APPROVER, **fields: Any) -> User:
    username = username or f"person{next(_numbers)}"
    user = User(username=username, email=f"{username}@example.org", role=role, **fields)
    user.set_password("a long password")
    user.save()
    return user


def make_registry(name: str = "", **fields: Any) -> Registry:
    name = name or f"registry-{next(_numbers)}"
    url = fields.pop("url", f"https://{name}.registry.example.org/")
    token = fields.pop("token", "read-token")
    return Registry.objects.create(
        name=name, url=url, sealed_read_token=seal(token, bound_to=url), **fields
    )


def make_account(user: User, registry: Registry, **fields: Any) -> RegistryAccount:
    token = fields.pop("token", "own-token")
    username = fields.pop("username", user.username)
    account = RegistryAccount(user=user, registry_url=registry.url, username=username, **fields)
    account.seal_token(token)
    account.save()
    return account


def make_staged_version(
    package: str | Package = "left-pad",
    version: str = "1.5.0",
    *,
    registry: Registry | None = None,
    **fields: Any,
) -> StagedVersion:
    """A version that waits; its tarball's digests follow from its stage id."""
    if isinstance(package, str):
        registry = registry or Registry.objects.first() or make_registry()
        package, _ = Package.objects.get_or_create(registry=registry, name=package)
    stage_id = fields.pop("stage_id", uuid.uuid4())
    values = {
        "tag": "latest",
        "access": "public",
        "shasum": hashlib.sha1(stage_id.bytes, usedforsecurity=False).hexdigest(),
        "sha512": hashlib.sha512(stage_id.bytes).hexdigest(),
        "actor": "release-bot",
        "actor_type": "trusted automation",
        "created_at": timezone.now() - timedelta(hours=3),
        **fields,
    }
    return StagedVersion.objects.create(
        registry=package.registry, package=package, stage_id=stage_id, version=version, **values
    )


def make_inspection(
    staged_version: StagedVersion,
    files: Sequence[dict[str, Any]] | None = None,
    *,
    baseline_version: str = "1.4.2",
    tarballs: tuple[bytes | None, bytes] | None = None,
    unchanged: Sequence[tuple[str, int, str]] = UNCHANGED,
    published_versions: Sequence[str] | None = None,
    findings: Sequence[Finding] | None = None,
    **summary: Any,
) -> InspectionRequest:
    """A finished inspection. Each of `files` has a path, and what else differs from the default.

    `findings` are those of the tarball: without them a new install script, or where tarballs are
    really compared, what the rules find.

    `diff` in a file is its text; `summary` overrides parts of what was found; each of `unchanged`
    is a path, a size and a kind. `tarballs`, the baseline's and the staged one, are kept, and the
    files' sizes and digests follow from them; without `files`, they are really compared.
    """
    inspection = _make_comparison(
        staged_version,
        files,
        baseline_sha512="b" * 128 if baseline_version else "",
        tarballs=tarballs,
        unchanged=unchanged,
        **summary,
    )
    if findings is None:
        findings = findings_from(inspection.findings) or [make_finding()]
    write_findings(staged_version, StagedFinding.Source.TARBALL, findings, inspection=inspection)
    if published_versions is None:
        others = ("1.4.1", "1.4.0", "1.0.0")
        published_versions = [baseline_version, *others] if baseline_version else []
    return make_inspection_request(
        staged_version,
        InspectionRequest.State.DONE,
        inspection=inspection,
        baseline_version=baseline_version,
        baseline_reason=(
            f"{baseline_version} is what users of the dist-tag latest have today."
            if baseline_version
            else "No version of this package is published yet."
        ),
        maintainers=["ada", "grace"],
        published_versions=list(dict.fromkeys(published_versions)),
    )


def make_finding(**fields: Any) -> Finding:
    """A finding as a rule yields it: a new install script, as far as `fields` say nothing else."""
    values: dict[str, Any] = {
        "rule": "install-script",
        "severity": Severity.HIGH,
        "title": "The script postinstall is new.",
        "why": "npm runs it on the machine of everyone who installs this.",
        "what_to_check": "Read what it does.",
        "path": "package.json",
        "excerpt": "node setup.js",
    }
    return Finding(**values | fields)


def make_other_baseline(
    staged_version: StagedVersion,
    version: str = "1.4.0",
    files: Sequence[dict[str, Any]] | None = None,
    *,
    state: str = "done",
    tarballs: tuple[bytes | None, bytes] | None = None,
    **fields: Any,
) -> OtherBaselineRequest:
    """A comparison with another version; `fields` are the request's, the rest as above."""
    inspection = None
    if state == "done":
        inspection = _make_comparison(
            staged_version,
            files,
            baseline_sha512=hashlib.sha512(version.encode()).hexdigest(),
            tarballs=tarballs,
        )
    return OtherBaselineRequest.objects.create(
        staged_version=staged_version,
        baseline_version=version,
        state=state,
        inspection=inspection,
        **fields,
    )


def _make_comparison(
    staged_version: StagedVersion,
    files: Sequence[dict[str, Any]] | None,
    *,
    baseline_sha512: str,
    tarballs: tuple[bytes | None, bytes] | None,
    unchanged: Sequence[tuple[str, int, str]] = UNCHANGED,
    **summary: Any,
) -> Inspection:
    contents: tuple[dict[str, bytes], dict[str, bytes]] = ({}, {})
    if tarballs is not None:
        with tempfile.TemporaryDirectory() as folder:
            new = _download(Path(folder) / "new.tgz", tarballs[1])
            old = _download(Path(folder) / "old.tgz", tarballs[0]) if tarballs[0] else None
            for download in filter(None, (old, new)):
                keep_tarball(download)
            staged_version.sha512, staged_version.shasum = new.sha512, new.sha1
            staged_version.save(update_fields=["sha512", "shasum"])
            baseline_sha512 = old.sha512 if old else ""
            if files is None:
                comparison = compare_tarballs(new.path, old.path if old else None)
                comparison = replace(comparison, **summary)
                return keep(comparison, new, old)
            contents = (_files_in(old.path) if old else {}, _files_in(new.path))
    if files is None:
        files = [{"path": "index.js", "diff": DIFF}, {"path": "setup.js", "status": "added"}]
    found: dict[str, Any] = {
        "unchanged_count": len(unchanged),
        "old": {"files": 4, "packed_size": 2048, "unpacked_size": 8192, "lines": 210},
        "new": {"files": 5, "packed_size": 2300, "unpacked_size": 9100, "lines": 240},
        "manifest_old": MANIFEST_OLD,
        "manifest_new": MANIFEST_NEW,
        "manifest_problem": "",
        "manifest_changes": [
            {
                "field": "scripts",
                "key": "postinstall",
                "old": None,
                "new": "node setup.js",
            },
            {"field": "dependencies", "key": "tiny-http", "old": None, "new": "0.1.0"},
            {"field": "engines", "key": "node", "old": ">=18", "new": ">=20"},
        ],
        "readme": "# left-pad\n\nPads a string.\n",
        "readme_note": "",
        "changelog": "",
        "changelog_path": "",
        "changelog_note": "",
        "problems": [],
        "old_problems": [],
        "problems_left_out": 0,
    }
    if not baseline_sha512:
        found |= {"old": None, "manifest_old": None, "manifest_changes": []}
    rows = [_file_row(file, contents) for file in files]
    inspection = Inspection.objects.create(
        staged_sha512=staged_version.sha512,
        staged_sha1=staged_version.shasum,
        baseline_sha512=baseline_sha512,
        engine_version=ENGINE,
        summary=found | summary,
        files_changed=len(rows),
        lines_added=sum(row["added_lines"] or 0 for row in rows),
        lines_removed=sum(row["removed_lines"] or 0 for row in rows),
    )
    texts = [row.pop("diff", "") for row in rows]
    changes = FileChange.objects.bulk_create(
        [
            FileChange(inspection=inspection, position=position, **row)
            for position, row in enumerate(rows)
        ]
    )
    FileDiff.objects.bulk_create(
        FileDiff(change=change, compressed=zlib.compress(text.encode()))
        for change, text in zip(changes, texts, strict=True)
        if text
    )
    UnchangedFiles.objects.create(
        inspection=inspection, compressed=zlib.compress(json.dumps(sorted(unchanged)).encode())
    )
    return inspection


def _file_row(
    file: dict[str, Any], contents: tuple[dict[str, bytes], dict[str, bytes]]
) -> dict[str, Any]:
    row = {"status": "modified", "kind": "source", "added_lines": 2, "removed_lines": 1} | file
    paths = (file.get("old_path") or file["path"], file["path"])
    sides = zip(("old", "new"), ("added", "removed"), contents, paths, (120, 140), strict=True)
    for side, not_there, files, path, size in sides:
        is_there = row["status"] != not_there
        row.setdefault(f"{side}_mode", 0o644 if is_there else None)
        content = files.get(path) if is_there else None
        if content is not None:
            row.setdefault(f"{side}_size", len(content))
            row.setdefault(f"{side}_sha256", hashlib.sha256(content).hexdigest())
        row.setdefault(f"{side}_size", size if is_there else None)
    return row


def _download(path: Path, content: bytes) -> Download:
    path.write_bytes(content)
    sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    return Download(path, len(content), sha1, hashlib.sha512(content).hexdigest())


def _files_in(tarball: Path) -> dict[str, bytes]:
    with read_tarball(tarball) as reader:
        return {entry.path: entry.read() for entry in reader if entry.installed}


def make_inspection_request(
    staged_version: StagedVersion, state: str = "waiting", **fields: Any
) -> InspectionRequest:
    request, _ = InspectionRequest.objects.update_or_create(
        staged_version=staged_version, defaults={"state": state, **fields}
    )
    return request


def make_provenance(
    package: Package | StagedVersion, version: str = "", outcome: str = "verified", **facts: Any
) -> Provenance:
    """What is proven about a published version, or about a staged one if that is given.

    `facts` are those of the build, as far as they differ from BUILT, and fields of the row; without
    them, each version has a commit of its own, and is signed an hour after the one made before it.
    `bundle` is the bundle's text.
    """
    number = next(_numbers)
    sha512 = hashlib.sha512(f"{version} {number}".encode()).hexdigest()
    if isinstance(package, StagedVersion):
        package, version, sha512 = package.package, package.version, package.sha512
    build = {name: facts.pop(name) for name in list(facts) if name in _BUILD_FIELDS}
    build.setdefault("commit", hashlib.sha1(sha512.encode(), usedforsecurity=False).hexdigest())
    bundle = facts.pop("bundle", '{"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json"}')
    values: dict[str, Any] = {"reason": "No bundle was found.", "sha512": sha512}
    if outcome != "missing":
        values |= {
            "reason": "The signature is for another tarball.",
            "source": Provenance.Source.REGISTRY,
            "predicate_type": "https://slsa.dev/provenance/v1",
            "compressed": zlib.compress(bundle.encode()),
        }
    if outcome == "verified":
        values |= {
            "reason": "Everything holds.",
            "build": asdict(replace(BUILT, **build)),
            "log_index": 10_000 + number,
            "signed_at": datetime(2026, 3, 16, 9, tzinfo=UTC) + timedelta(hours=number),
            "is_public": True,
        }
    return Provenance.objects.create(
        package=package, version=version, outcome=outcome, **{**values, **facts}
    )


def make_provenance_check(
    staged_version: StagedVersion,
    provenance: Provenance | None = None,
    *,
    baseline: Provenance | None = None,
    history: Sequence[Provenance] = (),
    **fields: Any,
) -> ProvenanceCheck:
    """A check that found `provenance`, or has not looked yet; the verdict follows from the rest.

    `history` needs not have the baseline. `fields` are the check's.
    """
    is_found = provenance is not None and provenance.outcome != "missing"
    values: dict[str, Any] = {
        "state": ProvenanceCheck.State.DONE if is_found else ProvenanceCheck.State.WAITING,
        "looks": 0 if provenance is None else 1,
        "provenance": provenance,
        "baseline": baseline,
        "baseline_version": baseline.version if baseline else "",
        "compared_at": None if provenance is None else timezone.now(),
        "outcome_told": provenance.outcome if provenance else "",
        **fields,
    }
    if values["state"] == ProvenanceCheck.State.RUNNING:
        lease = {"lease_holder": "a worker", "lease_until": timezone.now() + timedelta(minutes=4)}
        values = {**lease, **values}
    check = ProvenanceCheck.objects.create(staged_version=staged_version, **values)
    check.history.set([*history, *([baseline] if baseline else [])])
    case = case_of(check, staged_version)
    write_findings(staged_version, StagedFinding.Source.PROVENANCE, findings_of(case))
    if "verdict" not in fields:
        check.verdict = verdict_of(case)
        check.save(update_fields=["verdict"])
    return check


def make_decision(
    staged_version: StagedVersion,
    user: User,
    action: Action = Action.APPROVE,
    *,
    item_state: ItemState = ItemState.WAITING,
    **item: Any,
) -> DecisionItem:
    """A decision that was recorded, and how far it has come; the version's state follows it.

    With `auth_url` and `done_url`, the registry asks for a touch on its own page.
    """
    now = timezone.now()
    done_url = item.pop("done_url", "")
    step_up = StepUp.objects.create(
        user=user, action=action, binding="0" * 64, method="totp", proved_at=now, consumed_at=now
    )
    decision = Decision.objects.create(
        user=user,
        action=action,
        step_up=step_up,
        reason=item.pop("reason", "It reads the environment." if action == "reject" else ""),
    )
    if staged_version.state == State.STAGED:
        staged_version.state = State.APPROVING if action == "approve" else State.REJECTING
        staged_version.save(update_fields=["state"])
    made = DecisionItem.objects.create(
        decision=decision,
        staged_version=staged_version,
        stage_id=staged_version.stage_id,
        sha1=staged_version.shasum,
        sha512=staged_version.sha512,
        state=item_state,
        **item,
    )
    if done_url:
        made.sealed_done_url = seal(done_url, bound_to=question_binding(made, made.auth_url))
        made.save(update_fields=["sealed_done_url"])
    return made


def make_policies(
    requirements: dict[str, dict[str, Any]] | None = None,
    *others: Policy,
    by: User | None = None,
) -> PolicyRevision:
    """The next revision of the policies, as people set them: `others`, and then the default.

    `requirements` are the default's settings by key: without any, one approval by anyone.
    """
    by = by or User.objects.filter(role=Role.ADMINISTRATOR).first()
    by = by or make_user(role=Role.ADMINISTRATOR)
    default = DEFAULT if requirements is None else replace(DEFAULT, requirements=requirements)
    newest = PolicyRevision.objects.order_by("-number").first()
    revision = PolicyRevision(
        number=newest.number + 1 if newest else 1,
        policies=[one.as_json() for one in (*others, default)],
        made_by=by,
        words="As the test wants them.",
    )
    seal_revision(revision)
    with transaction.atomic():
        revision.save()
        record(CHANGED, actor=by, subject=revision, number=revision.number)
    return revision


def make_team(name: str, *members: User) -> Team:
    """A team as an administrator makes it."""
    team = Team.objects.create(name=name)
    team.members.set(members)
    with transaction.atomic():
        record("team.made", subject=team, before=[], members=[one.pk for one in members])
    return team
