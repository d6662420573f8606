"""Addresses of services that anybody can have data sent to, or code fetched from, unnamed."""

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import QUIET, found, found_in

RULE = "drop-address"


@pytest.mark.parametrize(
    "address",
    [
        "https://discord.com/api/webhooks/0/example",
        "https://webhook.site/0000-example",
        "https://example.m.pipedream.net/",
        "http://pastebin.com/raw/00000000",
        "https://example.ngrok.io/x",
    ],
)
def test_it_is_high(address: str) -> None:
    (finding,) = found_in(f"exports.a = 1;\nfetch('{address}');\n", rule=RULE)
    assert (finding.severity, finding.path, finding.line) == (Severity.HIGH, "index.js", 2)


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("index.js", "// see https://webhook.site/example\n"),
        ("README.md", "Try it with https://webhook.site/example.\n"),
        ("index.js", "fetch('https://profile.ioniq.example.org/');\n"),
        ("index.js", "fetch('https://mywebhook.sites.example.org/');\n"),
    ],
    ids=["remark", "documentation", "another host", "one that ends alike"],
)
def test_what_is_no_such_address_is_nothing(path: str, code: str) -> None:
    assert found_in(code, path, rule=RULE) == []


def test_one_more_weighs_less() -> None:
    before = "exports.hook = 'https://discord.com/api/webhooks/0/one';\n"
    after = f"{before}exports.more = 'https://discord.com/api/webhooks/0/two';\n"
    (finding,) = found({**QUIET, "a.js": before}, {**QUIET, "a.js": after}, rule=RULE)
    assert finding.severity == Severity.MEDIUM
