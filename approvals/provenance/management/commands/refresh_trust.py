"""Updates what bundles are verified against."""

from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from approvals.provenance.public_root import RootNotFetched, fetch_trusted_root
from approvals.provenance.trust import (
    MOST_BYTES,
    Stored,
    TrustUnusable,
    remove_root,
    store_public_root,
    store_root_of,
)
from approvals.queue.models import Registry
from registry_client.addresses import check_url, is_loopback


def _url(text: str) -> str:
    try:
        parts = check_url(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
    if (parts.scheme != "https" and not is_loopback(parts)) or parts.query or parts.fragment:
        raise ArgumentTypeError(
            "It must be an https:// address without a query (http:// is for this machine itself)."
        )
    return text.rstrip("/")


class Command(BaseCommand):
    help = (
        "Gets the public Sigstore's trusted root through TUF, and verifies against it from now on. "
        "Not needed often: one comes with the program. With --file, takes one that lies on this "
        "machine: with --registry for the packages of that registry alone, as a private Sigstore "
        "needs it, with --public in place of the public Sigstore's. --remove takes a stored one "
        "away again. What is still to be decided is verified again each time. Where it fails, "
        "nothing changes."
    )
    # The root.json that trust in the TUF repository begins with: the tests have one of their own.
    stealth_options = ("bootstrap",)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--url",
            type=_url,
            help=f"the TUF repository, or a mirror of it (default: {settings.TUF_URL})",
        )
        parser.add_argument(
            "--file", type=Path, metavar="trusted_root.json", help="take this one instead"
        )
        parser.add_argument(
            "--registry",
            metavar="NAME",
            help="for this registry's packages alone; needs --file or --remove",
        )
        parser.add_argument(
            "--public",
            action="store_true",
            help="for all registries without a trusted root of their own, in place of the public "
            "Sigstore's; only --file needs it said",
        )
        parser.add_argument(
            "--remove",
            action="store_true",
            help="take away the trusted root that was stored: that of --registry, whose packages "
            "are verified against the public one then, or else the public one, for the one that "
            "comes with the program",
        )

    def handle(
        self,
        *args: Any,
        url: str | None,
        file: Path | None,
        registry: str | None,
        public: bool,
        remove: bool,
        bootstrap: bytes | None = None,
        **options: Any,
    ) -> None:
        if public and registry is not None:
            raise CommandError("Give --registry or --public, not both.")
        if remove:
            if file is not None or url is not None:
                raise CommandError("With --remove, give neither --file nor --url.")
            self._remove(_registry(registry) if registry else None)
            return
        if file is None and registry is not None:
            raise CommandError(
                "A registry's own Sigstore is not asked through TUF: give its trusted root with "
                "--file."
            )
        if file is not None and url is not None:
            raise CommandError("Give --url or --file, not both.")
        if file is not None and registry is None and not public:
            # A private Sigstore's would count for all registries, and the public one for none.
            raise CommandError(
                "Say whose root this is: --registry NAME, or --public to replace the public "
                "Sigstore's."
            )
        owner = _registry(registry) if registry else None
        text = _read(file) if file else self._fetched(url or settings.TUF_URL, bootstrap)
        try:
            stored = store_root_of(owner, text) if owner else store_public_root(text)
        except TrustUnusable as error:
            raise CommandError(f"Nothing was changed. {error}") from error
        self._say(stored, _whose(owner))

    def _remove(self, owner: Registry | None) -> None:
        if not remove_root(owner):
            raise CommandError(f"No trusted root {_whose(owner)} is stored.")
        instead = "the public Sigstore's" if owner else "the one that comes with the program"
        self.stdout.write(
            self.style.SUCCESS(
                f"The trusted root {_whose(owner)} was removed: now it is {instead}."
            )
        )

    def _fetched(self, url: str, bootstrap: bytes | None) -> str:
        self.stdout.write(f"Asking {url}")
        try:
            return fetch_trusted_root(
                url, bootstrap=bootstrap, tell=lambda name: self.stdout.write(f"  {name}")
            )
        except RootNotFetched as error:
            raise CommandError(
                f"The trusted root could not be refreshed, and the one before stays. {error}"
            ) from error

    def _say(self, stored: Stored, whose: str) -> None:
        if not stored.changed:
            self.stdout.write(f"The trusted root {whose} has not changed.")
        else:
            self.stdout.write(self.style.SUCCESS(f"The trusted root {whose} was stored."))
        for words, count in stored.after.items():
            before = stored.before.get(words, 0)
            was = f" ({before} before)" if stored.before and before != count else ""
            self.stdout.write(f"  {words}: {count}{was}")
        self.stdout.write(f"  SHA-256: {stored.fingerprint}")


def _whose(owner: Registry | None) -> str:
    return f"of {owner}" if owner else "of the public Sigstore"


def _registry(name: str) -> Registry:
    registry = Registry.objects.filter(name=name).first()
    if registry is None:
        known = ", ".join(Registry.objects.values_list("name", flat=True)) or "none"
        raise CommandError(f"There is no registry {name}. Known: {known}.")
    return registry


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1).decode()
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path}: It is not UTF-8 text.") from error
