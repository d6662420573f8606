"""Passkeys, apps and recovery codes on the page of security, as their person handles them."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.actions import assert_fits, is_marked, mark, sign_in
from tests.browser.conftest import OpenBrowser
from tests.browser.dashboard import PASSWORD, Dashboard
from tests.browser.hands import Passkey

pytestmark = pytest.mark.browser

ONLY_ONE = "This is the only one, so it cannot be removed."


def show_presence_with_passkey(page: Page) -> None:
    page.get_by_role("button", name="Continue with a passkey").click()
    expect(page.get_by_role("heading", name="Add an authenticator app")).to_be_visible()


def copied(page: Page) -> list[str]:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
    return str(page.evaluate("navigator.clipboard.readText()")).split()


def test_signed_out_elsewhere_leads_back(dashboard: Dashboard, open_browser: OpenBrowser) -> None:
    person = dashboard.approver()
    page = open_browser(person)
    passkey = Passkey(page)
    page.goto("/security/")
    with page.expect_navigation():
        page.get_by_label("Code of your authenticator app").fill(person.codes.next())

    # Not made: nobody touched it.
    passkey.refuse()
    page.get_by_role("button", name="Create a passkey").click()
    expect(page.get_by_role("alert").filter(has_text="No passkey was made")).to_be_visible()

    # Signed out in another tab, the page says what came of it, and leads back.
    elsewhere = page.context.new_page()
    elsewhere.goto("/security/")
    elsewhere.locator("summary").filter(has_text="Your account").click()
    elsewhere.get_by_role("button", name="Sign out").click()
    expect(elsewhere.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_role("button", name="Create a passkey").click()
    told = page.get_by_role("alert").filter(has_text="Nothing was decided or changed")
    expect(told).to_be_visible()
    told.get_by_role("link", name="Sign in and come back here").click()
    page.get_by_label("User name or e-mail address").fill(person.name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()

    # The sixth digit sends the code; an empty one sent after it does not hide the answer.
    code = page.get_by_label("Code of your authenticator app")
    with page.expect_navigation():
        code.press_sequentially("000000")
    expect(page.get_by_text("This code is wrong")).to_be_visible()
    mark(page)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("This code is wrong")).to_be_visible()
    assert is_marked(page)
    with page.expect_navigation():
        code.press_sequentially(person.codes.next())
    expect(page).to_have_url(re.compile("/security/$"))


def test_factors_come_and_go_and_the_last_one_is_kept(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    person = dashboard.approver()
    page = open_browser(person)
    page.goto("/security/")
    expect(page.get_by_text(ONLY_ONE)).to_be_visible()
    expect(page.get_by_role("link", name="Remove")).to_have_count(0)
    assert_fits(page)

    # A further one comes in with a code, which goes off by itself.
    passkey = Passkey(page)
    with page.expect_navigation():
        page.get_by_label("Code of your authenticator app").fill(person.codes.next())
    page.get_by_role("region", name="Add a passkey").get_by_label("Name").fill("Laptop")
    assert_fits(page)
    page.get_by_role("button", name="Create a passkey").click()
    expect(page.get_by_text("Laptop is set up.")).to_be_visible()
    assert passkey.touches == 1

    # On the same device there is one already, and the page says so.
    show_presence_with_passkey(page)
    page.get_by_role("button", name="Create a passkey").click()
    error = page.get_by_role("alert").filter(has_text="has a passkey for your account here already")
    expect(error).to_be_visible()

    # The app goes, with the passkey; then that one is the last.
    page.goto("/security/")
    page.get_by_role("link", name="Remove authenticator app").click()
    assert_fits(page)
    page.get_by_role("button", name="Remove it, with a passkey").click()
    expect(page.get_by_text("authenticator app is removed")).to_be_visible()
    expect(page.get_by_text(ONLY_ONE)).to_be_visible()
    expect(page.get_by_role("link", name="Remove")).to_have_count(0)

    # New codes are shown once.
    page.get_by_role("link", name="Make ten").click()
    page.get_by_role("button", name="Make new codes, with a passkey").click()
    shown = page.locator("#recovery-codes li")
    expect(shown).to_have_count(10)
    assert_fits(page)
    code = shown.first.inner_text()
    assert copied(page) == shown.all_inner_texts()

    # A touch that does not come keeps the place.
    passkey.refuse()
    page.goto("/security/recovery-codes/")
    button = page.get_by_role("button", name="Make new codes, with a passkey")
    button.click()
    expect(page.get_by_role("alert").filter(has_text="No passkey was used")).to_be_visible()
    expect(button).to_be_enabled()

    # Who has lost everything comes in with a recovery code, once, and is told.
    page.locator("summary").filter(has_text="Your account").click()
    page.get_by_role("button", name="Sign out").click()
    sign_in(page, person.name, PASSWORD)
    page.locator("summary").filter(has_text="recovery code").click()
    page.get_by_label("Recovery code").fill(code)
    page.get_by_role("button", name="Use the recovery code").click()
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()
    expect(page.get_by_text("You used a recovery code; 9 are left.")).to_be_visible()
    dashboard.program.wait_for("Subject: [Countersign] A recovery code of yours was used")
    page.goto("/security/")
    expect(page.get_by_text("9 of 10 left.")).to_be_visible()
