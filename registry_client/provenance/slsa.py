"""in-toto statements about npm packages, and what SLSA provenance says of a build.

The shapes are npm's own (libnpmpublish, provenance.js; GitHub v0.2 as of npm 9.5), GitLab Runner's,
and those of SLSA (slsa.dev/provenance/v0.2 and v1). A workflow writes its predicate itself: it is
compared with the certificate, and believed about nothing that the certificate is there to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from registry_client.errors import clean_words
from registry_client.provenance.builds import Build, NotProven, quoted
from registry_client.provenance.fulcio import spellings
from registry_client.provenance.strict_json import NotStrict, parse_strictly

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENTS = ("https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1")
PROVENANCE = "https://slsa.dev/provenance/"
PROVENANCE_V02, PROVENANCE_V1 = f"{PROVENANCE}v0.2", f"{PROVENANCE}v1"
MAX_PAYLOAD = 1024 * 1024
MAX_TYPE = 200
_MAX_TEXT = 2000

_SHA512 = re.compile(r"[0-9a-fA-F]{128}")
_RUN_PATH = r"/actions/runs/[0-9]{1,20}/attempts/[0-9]{1,10}"
_RUN = re.compile(r"([0-9]{1,20})-([0-9]{1,10})")
_RUNNER_BUILDER = "https://github.com/actions/runner/"
_RUNNERS = {"github-hosted": "hosted", "self-hosted": "self-hosted"}


@dataclass(frozen=True)
class Statement:
    """An in-toto statement: what it is about, and what it says of it."""

    subjects: tuple[tuple[str, str], ...]
    predicate_type: str
    predicate: dict[str, Any]


def read_statement(payload: bytes) -> Statement:
    """The statement in a DSSE payload, its subjects as name and SHA-512 ("" where it has none).

    NotProven if it is no in-toto statement, or one that programs could read differently.
    """
    try:
        document = parse_strictly(payload, MAX_PAYLOAD)
    except NotStrict as exc:
        raise NotProven(f"The statement cannot be read. {exc}") from None
    if not isinstance(document, dict) or document.get("_type") not in STATEMENTS:
        raise NotProven("What was signed is no in-toto statement of version 0.1 or 1.")
    subjects, kind = document.get("subject"), document.get("predicateType")
    predicate = document.get("predicate")
    if not isinstance(subjects, list):
        raise NotProven("The statement does not say what it is about.")
    if not isinstance(kind, str) or len(kind) > MAX_TYPE or not kind.isprintable():
        raise NotProven("The statement does not say of what kind it is.")
    if not isinstance(predicate, dict):
        raise NotProven("The statement says nothing about its subject.")
    return Statement(tuple(_subject(one) for one in subjects), kind, predicate)


def _subject(subject: object) -> tuple[str, str]:
    name = subject.get("name") if isinstance(subject, dict) else None
    digest = subject.get("digest") if isinstance(subject, dict) else None
    if not isinstance(name, str) or not isinstance(digest, dict):
        raise NotProven("The statement does not say what it is about.")
    sha512 = digest.get("sha512", "")
    if not isinstance(sha512, str) or (sha512 and not _SHA512.fullmatch(sha512)):
        raise NotProven("The statement's SHA-512 is none.")
    return name, sha512.lower()


def check_subject(statement: Statement, package: str, version: str, sha512: str) -> None:
    """NotProven unless the statement is about exactly this tarball of this version."""
    if len(statement.subjects) != 1:
        raise NotProven(
            f"It is about {len(statement.subjects)} things. Provenance that Countersign takes is "
            "about one tarball."
        )
    name, digest = statement.subjects[0]
    if name not in purls(package, version):
        raise NotProven(
            f"It was made for {quoted(name)}; this version is {quoted(f'{package}@{version}')}."
        )
    if not digest:
        raise NotProven("It names no SHA-512 of a tarball, and the others prove too little.")
    if digest != sha512.lower():
        raise NotProven(
            f"It was made for another tarball: its SHA-512 is {digest}, this tarball's is "
            f"{sha512.lower()}."
        )


def purls(package: str, version: str) -> set[str]:
    """How the package URL of one version may be spelt (purl-spec, and npm-package-arg's toPurl).

    npm escapes the scope's @ and nothing else; the specification wants more escaped.
    """
    names = {package, package.replace("@", "%40", 1), quote(package, safe="/")}
    versions = {version, quote(version, safe="")}
    return {f"pkg:npm/{name}@{one}" for name in names for one in versions}


# What the predicate says


@dataclass(frozen=True)
class Said:
    """What one place of a predicate says; `fact` is a field of Build."""

    fact: str
    value: str


_WORDS = {
    "repository": "the repository",
    "repository_id": "the repository's id",
    "owner_id": "the owner's id",
    "ref": "the ref",
    "commit": "the commit",
    "workflow": "the workflow",
    "workflow_ref": "the workflow's ref",
    "workflow_repository": "the workflow's repository",
    "trigger": "the trigger",
    "runner": "the runner",
    "run_url": "the run",
    "visibility": "the repository's visibility",
}


def completed(build: Build, statement: Statement) -> Build:
    """The build with what only the predicate says. NotProven if the two disagree in anything."""
    if statement.predicate_type == PROVENANCE_V1:
        builder = _text(statement.predicate, "runDetails", "builder", "id")
        said = list(_said_v1(statement.predicate, build))
    elif statement.predicate_type == PROVENANCE_V02:
        builder = _text(statement.predicate, "builder", "id")
        said = list(_said_v02(statement.predicate, build))
    else:
        raise NotProven(
            f"It says {quoted(statement.predicate_type)}, which is no SLSA provenance of version "
            "0.2 or 1."
        )
    if builder.startswith(_RUNNER_BUILDER):
        said.append(Said("runner", _RUNNERS.get(builder.removeprefix(_RUNNER_BUILDER), builder)))
    for one in said:
        _compare(build, one)
    run_url = build.run_url
    if not run_url:
        address = re.compile(re.escape(build.repository) + _RUN_PATH)
        runs = [one.value for one in said if one.fact == "run_url"]
        run_url = next((run for run in runs if address.fullmatch(run)), "")
    names, ids = _triggered_by(statement)
    return replace(
        build,
        builder=clean_words(builder),
        run_url=run_url,
        triggered_by=names,
        triggered_by_ids=ids,
    )


# Where generators write down who started the run, and the number of that account: npm in GitLab's
# CI (libnpmpublish), GitLab Runner, slsa-github-generator, and what is alike.
_ENVIRONMENTS = (
    ("invocation", "parameters"),
    ("invocation", "environment"),
    ("buildDefinition", "externalParameters", "variables"),
    ("buildDefinition", "internalParameters"),
    ("buildDefinition", "internalParameters", "github"),
)
_ACTORS = ("GITLAB_USER_LOGIN", "GITHUB_ACTOR", "GITHUB_TRIGGERING_ACTOR", "actor")
_ACTOR_IDS = ("GITHUB_ACTOR_ID", "actor_id")
_LOGIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-\[\]]{0,99}")
_ID = re.compile(r"[0-9]{1,20}")
_MOST_TRIGGERING = 4


def _triggered_by(statement: Statement) -> tuple[str, str]:
    """Names and numbers of those who started the run, with spaces between; "" where nothing does.

    What is no account's name is left out: it keeps nobody from proving where they built.
    """
    names: dict[str, None] = {}
    ids: dict[str, None] = {}
    for path in _ENVIRONMENTS:
        found: Any = statement.predicate
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        if not isinstance(found, dict):
            continue
        for keys, pattern, kept in ((_ACTORS, _LOGIN, names), (_ACTOR_IDS, _ID, ids)):
            for key in keys:
                # slsa-github-generator writes the names of variables in small letters.
                for said in (found.get(key), found.get(key.lower())):
                    if isinstance(said, str) and pattern.fullmatch(said):
                        kept[said] = None
    return " ".join(list(names)[:_MOST_TRIGGERING]), " ".join(list(ids)[:_MOST_TRIGGERING])


def _compare(build: Build, said: Said) -> None:
    proven = getattr(build, said.fact)
    if not proven or not said.value:
        return
    value = said.value
    if said.fact in ("repository", "workflow_repository"):
        agrees = _repository(value) == _repository(proven)
    elif said.fact == "commit":
        agrees = value.lower() == proven
    elif said.fact == "ref" and not value.startswith("refs/"):
        # GitLab names a branch or a tag only; of a merge request it names the branch to be merged.
        names = (f"refs/heads/{value}", f"refs/tags/{value}")
        agrees = proven in names or proven.startswith("refs/merge-requests/")
    elif said.fact in ("workflow", "workflow_ref"):
        agrees = proven in spellings(value)
    else:
        agrees = value == proven
    if not agrees:
        raise NotProven(
            f"The certificate and the statement disagree about {_WORDS[said.fact]}: the "
            f"certificate says {quoted(proven)}, the statement {quoted(value)}."
        )


def _repository(address: str) -> str:
    """A repository's address, its host in lower case; as it is where it is no address."""
    plain = address.removeprefix("git+").removesuffix("/").removesuffix(".git")
    scheme, mark, rest = plain.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme.lower()}{mark}{host.lower()}{slash}{path}" if mark else plain


def _said_v1(predicate: dict[str, Any], build: Build) -> Iterator[Said]:
    definition = ("buildDefinition",)
    kind = _text(predicate, *definition, "buildType")
    if kind.startswith("https://gitlab.com/gitlab-org/gitlab-runner/"):
        yield Said("repository", _text(predicate, *definition, "externalParameters", "source"))
        yield from _dependency(predicate, *definition, "resolvedDependencies")
        yield from _job(_text(predicate, "runDetails", "metadata", "invocationID"), build)
        return
    if not kind.startswith(
        (
            "https://slsa-framework.github.io/github-actions-buildtypes/workflow/",
            "https://actions.github.io/buildtypes/workflow/",
            "https://github.com/npm/cli/gha/",
            "https://github.com/npm/cli/gitlab/",
        )
    ):
        return
    workflow = (*definition, "externalParameters", "workflow")
    path, ref = _text(predicate, *workflow, "path"), _text(predicate, *workflow, "ref")
    yield Said("workflow_repository", _text(predicate, *workflow, "repository"))
    # npm cuts at the first @, which may be one in the file's name.
    if f"{build.workflow}@{build.workflow_ref}" not in spellings(f"{path}@{ref}"):
        yield Said("workflow", path)
        yield Said("workflow_ref", ref)
    for platform in ("github", "gitlab"):
        inner = (*definition, "internalParameters", platform)
        yield Said("trigger", _text(predicate, *inner, "event_name"))
        yield Said("repository_id", _text(predicate, *inner, "repository_id"))
        yield Said("repository_id", _text(predicate, *inner, "project_id"))
        yield Said("owner_id", _text(predicate, *inner, "repository_owner_id"))
    environment = _text(
        predicate, *definition, "internalParameters", "github", "runner_environment"
    )
    yield Said("runner", _RUNNERS.get(environment, environment))
    yield from _dependency(predicate, *definition, "resolvedDependencies")
    yield Said("run_url", _text(predicate, "runDetails", "metadata", "invocationId"))


def _said_v02(predicate: dict[str, Any], build: Build) -> Iterator[Said]:
    kind = _text(predicate, "buildType")
    invocation = ("invocation",)
    source = (*invocation, "configSource")
    if kind.startswith("https://github.com/npm/cli/gha/"):
        yield from _source(_part(predicate, *source))
        yield Said("workflow", _text(predicate, *source, "entryPoint"))
        yield from _github_environment(_part(predicate, *invocation, "environment"), build)
        run = _RUN.fullmatch(_text(predicate, "metadata", "buildInvocationId"))
        if run:
            yield Said("run_url", _github_run(build, run[1], run[2]))
    elif kind.startswith("https://github.com/npm/cli/gitlab/"):
        yield from _source(_part(predicate, *source))
        yield from _gitlab_parameters(_part(predicate, *invocation, "parameters"))
        environment = (*invocation, "environment")
        yield Said("workflow", _text(predicate, *environment, "pipeline", "ref"))
        project = _text(predicate, *environment, "project")
        if project:
            server = _text(predicate, *environment, "server") or "https://gitlab.com"
            yield Said("repository", f"{server}/{project}")
        yield from _job(_text(predicate, *environment, "job", "id"), build)
        yield Said("run_url", _text(predicate, "metadata", "buildInvocationId"))
    elif kind.startswith("https://gitlab.com/gitlab-org/gitlab-runner/"):
        yield from _source(_part(predicate, *source))
        yield from _job(_text(predicate, "metadata", "buildInvocationID"), build)
    else:
        return
    yield from _dependency(predicate, "materials")


def _github_environment(environment: dict[str, Any], build: Build) -> Iterator[Said]:
    for key, fact in (
        ("GITHUB_EVENT_NAME", "trigger"),
        ("GITHUB_REF", "ref"),
        ("GITHUB_REPOSITORY_ID", "repository_id"),
        ("GITHUB_REPOSITORY_OWNER_ID", "owner_id"),
        ("GITHUB_SHA", "commit"),
    ):
        yield Said(fact, _text(environment, key))
    repository = _text(environment, "GITHUB_REPOSITORY")
    if repository:
        yield Said("repository", f"https://github.com/{repository}")
    address = _text(environment, "GITHUB_WORKFLOW_REF")
    path = address.removeprefix(build.workflow_repository.removeprefix("https://github.com/") + "/")
    yield Said("workflow", path.removesuffix(f"@{build.workflow_ref}"))
    run, attempt = _text(environment, "GITHUB_RUN_ID"), _text(environment, "GITHUB_RUN_ATTEMPT")
    if run and attempt:
        yield Said("run_url", _github_run(build, run, attempt))


def _github_run(build: Build, run: str, attempt: str) -> str:
    return f"{build.repository}/actions/runs/{run}/attempts/{attempt}"


def _gitlab_parameters(parameters: dict[str, Any]) -> Iterator[Said]:
    for key, fact in (
        ("CI_COMMIT_SHA", "commit"),
        ("CI_COMMIT_REF_NAME", "ref"),
        ("CI_CONFIG_PATH", "workflow"),
        ("CI_JOB_URL", "run_url"),
        ("CI_PIPELINE_SOURCE", "trigger"),
        ("CI_PROJECT_ID", "repository_id"),
        ("CI_PROJECT_NAMESPACE_ID", "owner_id"),
        ("CI_PROJECT_URL", "repository"),
        ("CI_PROJECT_VISIBILITY", "visibility"),
    ):
        yield Said(fact, _text(parameters, key))


def _job(number: str, build: Build) -> Iterator[Said]:
    """GitLab's number of a job, as the address that the certificate has."""
    if number:
        yield Said("run_url", f"{build.repository}/-/jobs/{number}")


def _dependency(predicate: dict[str, Any], *path: str) -> Iterator[Said]:
    """The first of what went into the build: in all of these build types it is the source."""
    *parents, name = path
    found = _part(predicate, *parents).get(name)
    if found is None:
        return
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise _malformed(path)
    if found:
        yield from _source(found[0])


def _source(source: dict[str, Any]) -> Iterator[Said]:
    """A repository as `git+https://HOST/OWNER/NAME@REF`, with the digest of its commit."""
    address, _, ref = _text(source, "uri").partition("@")
    yield Said("repository", address)
    yield Said("ref", ref)
    commits = [_text(source, "digest", name) for name in ("gitCommit", "sha1")]
    # GitLab Runner calls a commit's SHA-1 that.
    for commit in commits if any(commits) else [_text(source, "digest", "sha256")]:
        yield Said("commit", commit)


def _part(document: dict[str, Any], *path: str) -> dict[str, Any]:
    """The object at this path; {} where there is none."""
    found: Any = document
    for key in path:
        found = found.get(key)
        if found is None:
            return {}
        if not isinstance(found, dict):
            raise _malformed(path)
    result: dict[str, Any] = found
    return result


def _text(document: dict[str, Any], *path: str) -> str:
    """The text at this path, "" where there is none; numbers are taken for their digits."""
    *parents, name = path
    found = _part(document, *parents).get(name)
    if found is None:
        return ""
    if isinstance(found, int) and not isinstance(found, bool):
        found = str(found)
    if not isinstance(found, str) or len(found) > _MAX_TEXT:
        raise _malformed(path)
    return found


def _malformed(path: tuple[str, ...] | list[str]) -> NotProven:
    return NotProven(f"The statement's {'.'.join(path)} is not what its build type says.")
