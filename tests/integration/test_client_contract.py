"""What RegistryClient promises, kept against the sandbox and against a real Verdaccio.

Versions are staged, and what came of them is read back, with the real npm.
"""

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from registry_client.client import RegistryClient, StagedItem
from registry_client.errors import (
    AlreadyPublished,
    Forbidden,
    NotAuthorised,
    NotFound,
    SecondFactorNeeded,
    SecondFactorRefused,
)
from registry_client.versions import PLACEHOLDER_VERSION
from tests.integration.conftest import User
from tests.integration.npm import NpmFailed
from tests.integration.registries import RegistryUnderTest

pytestmark = pytest.mark.integration

UNKNOWN_ID = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"


def is_staged(client: RegistryClient, stage_id: str) -> bool:
    return stage_id in {item.id for item in client.staged_versions()}


def published(client: RegistryClient, name: str) -> set[str]:
    """The versions users can install; npm's registry, and the sandbox, add a placeholder."""
    try:
        return set(client.packument(name).versions) - {PLACEHOLDER_VERSION}
    except NotFound:
        return set()


def test_the_token_says_who_it_belongs_to(client: RegistryClient, maintainer: User) -> None:
    assert client.whoami() == maintainer.name


@pytest.mark.parametrize("scope", ["", "@scope/"])
def test_what_npm_staged_is_listed_and_viewed(
    registry: RegistryUnderTest,
    client: RegistryClient,
    maintainer: User,
    package_name: str,
    scope: str,
) -> None:
    name = scope + package_name
    stage_id = registry.stage(name, "1.0.0-rc.1", maintainer.token, tag="next")
    other_id = registry.stage(f"{name}-other", "1.0.0", maintainer.token)

    item = client.staged_version(stage_id)
    assert (item.id, item.package_name, item.version) == (stage_id, name, "1.0.0-rc.1")
    assert (item.tag, item.actor, item.actor_type) == ("next", maintainer.name, "user")
    assert abs(datetime.now(UTC) - item.created_at) < timedelta(minutes=5)
    assert client.staged_versions(name) == [item]
    assert {other_id, stage_id} <= {listed.id for listed in client.staged_versions()}


def test_the_download_is_what_npm_downloads(
    registry: RegistryUnderTest,
    client: RegistryClient,
    maintainer: User,
    package_name: str,
    tmp_path: Path,
) -> None:
    stage_id = registry.stage(
        package_name, "1.0.0", maintainer.token, files={"big.js": "/* long */\n" * 50_000}
    )
    registry.npm.run("stage", "download", stage_id, cwd=tmp_path, token=maintainer.token)
    (by_npm,) = tmp_path.glob("*.tgz")
    tarball = by_npm.read_bytes()

    item = client.staged_version(stage_id)
    progress: list[tuple[int, int | None]] = []
    download = client.download_staged(
        item, tmp_path / "ours.tgz", lambda done, total: progress.append((done, total))
    )

    assert download.path.read_bytes() == tarball
    assert download.size == len(tarball)
    assert download.sha1 == item.shasum == hashlib.sha1(tarball, usedforsecurity=False).hexdigest()
    assert download.sha512 == hashlib.sha512(tarball).hexdigest()
    assert progress[-1] == (len(tarball), len(tarball))


def test_a_list_longer_than_a_page_is_complete(
    registry: RegistryUnderTest, client: RegistryClient, maintainer: User, package_name: str
) -> None:
    staged = set()
    for number in range(103):
        answer = registry.stage_without_npm(package_name, f"1.0.{number}", maintainer.token)
        staged.add(answer.json()["stageId"])

    listed = [item.id for item in client.staged_versions(package_name)]

    assert len(listed) == 103
    assert set(listed) == staged


def test_approving_needs_the_right_code_and_publishes(
    registry: RegistryUnderTest,
    client: RegistryClient,
    maintainer: User,
    package_name: str,
    tmp_path: Path,
) -> None:
    stage_id = registry.stage(package_name, "1.0.0", maintainer.token)
    item = client.staged_version(stage_id)
    staged = client.download_staged(item, tmp_path / "staged.tgz")

    with pytest.raises(SecondFactorNeeded):
        client.approve(stage_id)
    with pytest.raises(SecondFactorRefused):
        client.approve(stage_id, maintainer.wrong_code())
    assert is_staged(client, stage_id)

    assert client.approve(stage_id, maintainer.code())

    assert not is_staged(client, stage_id)
    packument = client.packument(package_name)
    published = packument.versions["1.0.0"]
    assert published.shasum == item.shasum
    assert packument.dist_tags["latest"] == "1.0.0"
    assert "1.0.0" in packument.time
    fetched = client.download_published(published, tmp_path / "published.tgz")
    assert fetched.sha512 == staged.sha512
    assert client.attestations(package_name, "1.0.0") == []
    assert registry.npm.view(package_name, "dist.shasum") == item.shasum
    installed = registry.npm.install(package_name, tmp_path / "project")
    assert (installed / "index.js").is_file()

    with pytest.raises(NotFound):
        client.staged_version(stage_id)
    with pytest.raises(NotFound):
        client.approve(stage_id, maintainer.code())


def test_a_code_counts_once(
    registry: RegistryUnderTest, client: RegistryClient, maintainer: User, package_name: str
) -> None:
    first = registry.stage(package_name, "1.0.0", maintainer.token)
    second = registry.stage(package_name, "1.1.0", maintainer.token)
    code = maintainer.code()
    client.approve(first, code)

    with pytest.raises(SecondFactorRefused):
        client.approve(second, code)
    with pytest.raises(SecondFactorRefused):
        client.reject(second, code)

    assert is_staged(client, second)
    assert published(client, package_name) == {"1.0.0"}
    client.approve(second, maintainer.code())
    assert published(client, package_name) == {"1.0.0", "1.1.0"}


def test_five_refused_codes_lock_the_account(
    registry: RegistryUnderTest, client: RegistryClient, maintainer: User, package_name: str
) -> None:
    stage_id = registry.stage(package_name, "1.0.0", maintainer.token)
    for _ in range(5):
        with pytest.raises(SecondFactorRefused):
            client.approve(stage_id, maintainer.wrong_code())

    with pytest.raises(SecondFactorRefused):
        client.approve(stage_id, maintainer.code())

    assert is_staged(client, stage_id)
    assert published(client, package_name) == set()


def test_rejecting_needs_the_right_code_and_deletes(
    registry: RegistryUnderTest,
    client: RegistryClient,
    maintainer: User,
    package_name: str,
    tmp_path: Path,
) -> None:
    stage_id = registry.stage(package_name, "1.0.0", maintainer.token)
    item = client.staged_version(stage_id)
    with pytest.raises(SecondFactorNeeded):
        client.reject(stage_id)
    with pytest.raises(SecondFactorRefused):
        client.reject(stage_id, maintainer.wrong_code())
    assert is_staged(client, stage_id)

    client.reject(stage_id, maintainer.code())

    assert not is_staged(client, stage_id)
    with pytest.raises(NotFound):
        client.staged_version(stage_id)
    with pytest.raises(NotFound):
        client.download_staged(item, tmp_path / "gone.tgz")
    with pytest.raises(NotFound):
        client.reject(stage_id, maintainer.code())
    assert published(client, package_name) == set()
    with pytest.raises(NpmFailed):
        registry.npm.install(f"{package_name}@1.0.0", tmp_path / "project")
    again = registry.stage(package_name, "1.0.0", maintainer.token)
    assert again != stage_id


def test_a_version_that_npm_approved_meanwhile_is_gone_and_published(
    registry: RegistryUnderTest, client: RegistryClient, maintainer: User, package_name: str
) -> None:
    stage_id = registry.stage(package_name, "2.0.0", maintainer.token)
    item = client.staged_version(stage_id)

    code = maintainer.code()
    registry.npm.run("stage", "approve", stage_id, "--otp", code, token=maintainer.token)

    assert not is_staged(client, stage_id)
    with pytest.raises(NotFound):
        client.staged_version(stage_id)
    assert client.packument(package_name).versions["2.0.0"].shasum == item.shasum


def test_npm_sees_and_rejects_the_same_version(
    registry: RegistryUnderTest, client: RegistryClient, maintainer: User, package_name: str
) -> None:
    def npm(*arguments: str) -> str:
        return registry.npm.run("stage", *arguments, token=maintainer.token)

    stage_id = registry.stage(package_name, "1.0.0", maintainer.token, tag="beta")

    (listed,) = json.loads(npm("list", package_name, "--json"))
    viewed = json.loads(npm("view", stage_id, "--json"))
    assert StagedItem.from_json(listed) == client.staged_version(stage_id)
    assert StagedItem.from_json(viewed) == client.staged_version(stage_id)

    with pytest.raises(NpmFailed) as refused:
        npm("reject", stage_id, "--otp", maintainer.wrong_code())
    assert refused.value.code == "EOTP"
    assert is_staged(client, stage_id)
    npm("reject", stage_id, "--otp", maintainer.code())
    with pytest.raises(NotFound):
        client.staged_version(stage_id)
    assert published(client, package_name) == set()


CALLS_WITH_A_TOKEN: list[Callable[[RegistryClient, str], object]] = [
    lambda client, _: client.whoami(),
    lambda client, _: client.staged_versions(),
    lambda client, stage_id: client.staged_version(stage_id),
    lambda client, stage_id: client.approve(stage_id),
    lambda client, stage_id: client.approve(stage_id, "123456"),
    lambda client, stage_id: client.reject(stage_id),
    lambda client, stage_id: client.reject(stage_id, "123456"),
]


def test_without_a_good_token_nothing_is_shown_or_done(
    registry: RegistryUnderTest,
    client: RegistryClient,
    maintainer: User,
    package_name: str,
    tmp_path: Path,
) -> None:
    stage_id = registry.stage(package_name, "1.0.0", maintainer.token)
    item = client.staged_version(stage_id)

    for token in ("", "not-a-token"):
        with registry.client(token) as unknown:
            for call in CALLS_WITH_A_TOKEN:
                with pytest.raises(NotAuthorised) as refused:
                    call(unknown, stage_id)
                assert "not-a-token" not in str(refused.value)
            with pytest.raises(NotAuthorised):
                unknown.download_staged(item, tmp_path / "staged.tgz")

    assert is_staged(client, stage_id)
    assert list(tmp_path.iterdir()) == []


def test_a_version_is_staged_or_published_once(
    registry: RegistryUnderTest, client: RegistryClient, maintainer: User, package_name: str
) -> None:
    stage_id = registry.stage(package_name, "1.0.0", maintainer.token)
    with pytest.raises(NpmFailed) as refused:
        registry.stage(package_name, "1.0.0", maintainer.token)
    assert refused.value.code == "E409"
    assert [item.id for item in client.staged_versions(package_name)] == [stage_id]

    client.approve(stage_id, maintainer.code())

    with pytest.raises(NpmFailed):
        registry.stage(package_name, "1.0.0", maintainer.token)
    assert registry.stage_without_npm(package_name, "1.0.0", maintainer.token).status_code == 409
    assert client.staged_versions(package_name) == []


def test_publishing_past_a_staged_version_never_mixes_the_two(
    registry: RegistryUnderTest, client: RegistryClient, maintainer: User, package_name: str
) -> None:
    stage_id = registry.stage(package_name, "1.0.0", maintainer.token)
    staged = client.staged_version(stage_id)
    other = registry.package(package_name, "1.0.0", files={"other.js": "module.exports = 0\n"})

    if registry.kind == "verdaccio":
        registry.npm.publish(other, maintainer.token, otp=maintainer.code())
        with pytest.raises(AlreadyPublished) as refused:
            client.approve(stage_id, maintainer.code())
        assert refused.value.status == 409
        assert refused.value.words
        assert is_staged(client, stage_id)
        assert client.packument(package_name).versions["1.0.0"].shasum != staged.shasum
    else:
        with pytest.raises(NpmFailed) as not_published:
            registry.npm.publish(other, maintainer.token, otp=maintainer.code())
        assert not_published.value.code == "E409"
        client.approve(stage_id, maintainer.code())
        assert client.packument(package_name).versions["1.0.0"].shasum == staged.shasum


def test_what_does_not_exist_is_not_found(
    client: RegistryClient, maintainer: User, package_name: str
) -> None:
    for name in (package_name, f"@scope/{package_name}"):
        with pytest.raises(NotFound):
            client.packument(name)
        assert client.staged_versions(name) == []
    with pytest.raises(NotFound) as missing:
        client.staged_version(UNKNOWN_ID)
    assert missing.value.status == 404
    assert missing.value.words
    with pytest.raises(NotFound):
        client.approve(UNKNOWN_ID, maintainer.code())
    with pytest.raises(NotFound):
        client.reject(UNKNOWN_ID, maintainer.code())
    assert client.attestations(package_name, "1.0.0") == []


def test_a_stranger_neither_sees_nor_decides(
    registry: RegistryUnderTest,
    client: RegistryClient,
    maintainer: User,
    stranger: User,
    package_name: str,
) -> None:
    name = registry.guarded(package_name)
    stage_id = registry.stage(name, "1.0.0", maintainer.token)

    with registry.client(stranger.token) as theirs:
        assert theirs.staged_versions(name) == []
        assert not is_staged(theirs, stage_id)
        with pytest.raises(NotFound):
            theirs.staged_version(stage_id)
        with pytest.raises(NotFound):
            theirs.approve(stage_id, stranger.code())
        with pytest.raises(NotFound):
            theirs.reject(stage_id, stranger.code())

    assert is_staged(client, stage_id)
    assert published(client, name) == set()


def test_who_may_see_and_not_publish_is_told_so(
    registry: RegistryUnderTest, client: RegistryClient, maintainer: User, package_name: str
) -> None:
    stage_id = registry.stage_out_of_reach(package_name, maintainer.name, maintainer.token)
    assert is_staged(client, stage_id)

    with pytest.raises(Forbidden) as refused:
        client.approve(stage_id, maintainer.code())

    assert refused.value.status == 403
    assert refused.value.words
    assert is_staged(client, stage_id)


def test_staged_versions_survive_a_restart(
    registry: RegistryUnderTest,
    client: RegistryClient,
    maintainer: User,
    package_name: str,
    tmp_path: Path,
) -> None:
    stage_id = registry.stage(package_name, "1.0.0", maintainer.token)
    before = client.staged_version(stage_id)

    registry.restart()

    assert client.staged_version(stage_id) == before
    client.download_staged(before, tmp_path / "staged.tgz")
    client.approve(stage_id, maintainer.code())
    assert client.packument(package_name).versions["1.0.0"].shasum == before.shasum
