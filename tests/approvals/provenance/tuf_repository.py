"""A TUF repository of the tests' own, signed with python-tuf and served over loopback."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import (
    Key,
    Metadata,
    MetaFile,
    Role,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from tests.registry_client.http_server import Handler, Server, serving

ROLES = ("root", "timestamp", "snapshot", "targets")


@dataclass
class Repository:
    """Serves one target, trusted_root.json. `publish` makes a new state of it."""

    signer: CryptoSigner = field(default_factory=CryptoSigner.generate_ecdsa)
    files: dict[str, bytes] = field(default_factory=dict)
    version: int = 0
    bootstrap: bytes = b""

    def publish(
        self,
        target: bytes,
        *,
        days: int = 1,
        signer: CryptoSigner | None = None,
        target_name: str = "trusted_root.json",
    ) -> None:
        """A new version of everything but the root, valid for so many days."""
        self.version += 1
        by = signer or self.signer
        expires = datetime.now(UTC).replace(microsecond=0) + timedelta(days=days)
        if not self.bootstrap:
            self.bootstrap = self._root()
        targets = Targets(version=self.version, expires=expires)
        info = TargetFile.from_data(target_name, target, ["sha256"])
        targets.targets[target_name] = info
        digest = info.hashes["sha256"]
        self.files[f"/targets/{digest}.{target_name}"] = target
        self._sign(f"/{self.version}.targets.json", targets, by)
        snapshot = Snapshot(
            version=self.version, expires=expires, meta={"targets.json": MetaFile(self.version)}
        )
        self._sign(f"/{self.version}.snapshot.json", snapshot, by)
        timestamp = Timestamp(
            version=self.version, expires=expires, snapshot_meta=MetaFile(self.version)
        )
        self._sign("/timestamp.json", timestamp, by)

    def _root(self) -> bytes:
        key: Key = self.signer.public_key
        root = Root(
            version=1,
            expires=datetime.now(UTC).replace(microsecond=0) + timedelta(days=365),
            keys={key.keyid: key},
            roles={name: Role([key.keyid], 1) for name in ROLES},
            consistent_snapshot=True,
        )
        signed = Metadata(root)
        signed.sign(self.signer)
        return signed.to_bytes()

    def _sign(self, path: str, content: Targets | Snapshot | Timestamp, by: CryptoSigner) -> None:
        metadata = Metadata(content)
        metadata.sign(by)
        self.files[path] = metadata.to_bytes()

    @contextmanager
    def served(self) -> Iterator[Server]:
        """On loopback, as long as the block runs."""

        def answer(handler: Handler) -> None:
            content = self.files.get(handler.path)
            if content is None:
                handler.say(404, b"not found")
            else:
                handler.say(200, content)

        with serving(answer) as server:
            yield server
