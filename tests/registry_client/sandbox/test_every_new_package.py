"""Who sees each new package: the demo's reader, or nobody would find what a newcomer stages."""

from pathlib import Path

from registry_client.client import RegistryClient
from registry_client.sandbox.accounts import EVERY_NEW_PACKAGE
from registry_client.sandbox.server import SandboxRegistry
from tests.packages import publish_document


def test_who_is_granted_every_new_package_sees_it_and_nobody_else(tmp_path: Path) -> None:
    with SandboxRegistry(tmp_path) as sandbox:
        for name in ("ada", "reader", "stranger"):
            sandbox.create_user(name)
        sandbox.grant(EVERY_NEW_PACKAGE, "reader", "read-only")
        sandbox.stage(publish_document("brand-new", "1.0.0"), by="ada")
        seen = {}
        for name in ("reader", "stranger"):
            with RegistryClient(sandbox.url, sandbox.token(name)) as client:
                seen[name] = [item.package_name for item in client.staged_versions()]
        assert seen == {"reader": ["brand-new"], "stranger": []}
