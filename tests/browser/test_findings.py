"""From a finding to its line, and marking it as looked at."""

import re

import pytest
from playwright.sync_api import Page, expect

from registry_client.sandbox.demo.harbour import HIJACKED_VERSION, LOGGER
from tests.browser.actions import DESK, PHONE, assert_fits
from tests.browser.conftest import OpenBrowser
from tests.browser.dashboard import Dashboard

pytestmark = pytest.mark.browser

SCRIPT = "scripts/telemetry.js"


def open_hijacked(page: Page) -> None:
    page.goto("/")
    page.get_by_role("link", name=f"{LOGGER.name} {HIJACKED_VERSION}").click()
    expect(page.get_by_role("heading", name="Findings")).to_be_visible()


@pytest.mark.parametrize("width", [DESK, PHONE], ids=["desk", "phone"])
def test_a_finding_leads_to_its_line(
    dashboard: Dashboard, open_browser: OpenBrowser, width: int
) -> None:
    page = open_browser(dashboard.viewer())
    page.set_viewport_size({"width": width, "height": 900})
    open_hijacked(page)
    worst = page.get_by_role("listitem").filter(has_text="New code takes all environment variables")
    link = worst.get_by_role("link", name=re.compile(r"telemetry\.js:\d+"))
    line = link.inner_text().rpartition(":")[2]
    assert_fits(page)
    link.click()
    expect(page).to_have_url(re.compile(rf"#n{line}$"))
    diff = page.get_by_role("region", name=f"Changes of {SCRIPT}")
    expect(diff.locator(f"#n{line}")).to_be_in_viewport()
    expect(diff.locator(f"#n{line}")).to_contain_text("https.request")


def test_what_was_looked_at_counts_no_more_and_says_why(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    page = open_browser(dashboard.approver())
    open_hijacked(page)
    decision = page.get_by_role("region", name="Decision")
    finding = (
        decision.get_by_role("listitem").filter(has_text="The script postinstall is new").first
    )
    finding.get_by_text("Mark as looked at").first.click()
    finding.get_by_label("Why it is all right").fill("It is a demo")
    finding.get_by_role("button", name="Mark as looked at").click()
    expect(page.get_by_text("Marked as looked at, for this package")).to_be_visible()
    seen = page.locator("#findings-looked-at")
    seen.get_by_text("1 looked at").click()
    expect(seen).to_contain_text("“It is a demo”")
    # Whoever comes next reads it, and may see it otherwise.
    other = open_browser(dashboard.approver())
    open_hijacked(other)
    theirs = other.locator("#findings-looked-at")
    theirs.get_by_text("1 looked at").click()
    expect(theirs).to_contain_text("“It is a demo”")
    theirs.get_by_role("button", name="Take the mark back").click()
    expect(other.get_by_text("The mark was taken back")).to_be_visible()
    expect(other.locator("#findings-looked-at")).to_have_count(0)


def test_what_is_typed_survives_the_pages_own_updates(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    page = open_browser(dashboard.approver())
    open_hijacked(page)
    form = page.locator(".finding__look").first
    form.locator("summary").click()
    words = form.get_by_role("textbox")
    words.fill("I am still reading")
    # What the page asks for by itself, as if something had changed since.
    page.evaluate(
        """() => {
            document.querySelector("#status [name=seen]").value = "another";
            htmx.trigger("#status", "every");
            return htmx.ajax("GET", document.querySelector("#status").getAttribute("hx-get"), {
                source: "#status", swap: "outerHTML", target: "#status",
            });
        }"""
    )
    expect(page.locator(".finding__look").first.get_by_role("textbox")).to_have_value(
        "I am still reading"
    )
    expect(page.locator(".finding__look").first).to_have_attribute("open", "")
