"""From an invitation to a version that is live: everything a new person does, in a browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from registry_client.client import RegistryClient
from tests.browser.actions import (
    APPROVE,
    assert_fits,
    confirm,
    is_marked,
    live,
    mark,
    open_confirmation,
    sign_in,
)
from tests.browser.conftest import OpenBrowser
from tests.browser.dashboard import NEW_VERSION, Dashboard
from tests.integration.codes import FreshCodes

pytestmark = pytest.mark.browser

PASSWORD = "a lighthouse keeper's seventh lantern"


def test_signing_in(dashboard: Dashboard, open_browser: OpenBrowser) -> None:
    page = open_browser()
    sign_in(page, "grace", "not her password")
    expect(page.get_by_role("alert")).to_contain_text("do not belong together")
    expect(page.get_by_label("Password")).to_have_value("")
    sign_in(page, "grace", dashboard.program.password("grace"))
    # The password alone shows nothing of what waits.
    expect(page.get_by_role("heading", name="Now your second factor")).to_be_visible()
    assert_fits(page)
    page.goto("/history/")
    expect(page.get_by_role("heading", name="Now your second factor")).to_be_visible()
    code = dashboard.program.codes("grace").dashboard
    page.get_by_label("Code of your authenticator app").fill(code)
    expect(page.get_by_role("heading", name="History")).to_be_visible()
    page.goto("/")
    attack = page.get_by_role("link", name="harbor-log 1.2.2")
    expect(attack).to_be_visible()

    page.locator("summary").filter(has_text="Your account").click()
    page.get_by_role("button", name="Sign out").click()
    page.goto("/")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_new_person_joins_and_approves_a_version(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    link = invited_by(open_browser(session=dashboard.ada_session), dashboard)
    page = open_browser()
    accept(page, link)
    codes = enrol(page)
    link_registry_account(page, dashboard)

    release = dashboard.release()
    page.goto("/")
    page.get_by_role("link", name=f"{release.package} {NEW_VERSION}").click()
    read_a_diff(page)
    open_confirmation(page, release)
    expect(page.get_by_text("This version becomes installable by everyone")).to_be_visible()
    expect(page.get_by_text("what users of the dist-tag latest have today")).to_be_visible()
    assert_fits(page)
    confirm(page, APPROVE, codes.next(), dashboard.newcomer_totp.now())
    expect(page.get_by_text(f"You approved {release.package}@{NEW_VERSION}")).to_be_visible()
    mark(page)
    expect(live(page)).to_be_visible()
    assert is_marked(page)
    assert_fits(page)

    with RegistryClient(dashboard.program.sandbox_url) as client:
        packument = client.packument(release.package)
    assert packument.dist_tags["latest"] == NEW_VERSION
    assert packument.versions[NEW_VERSION].npm_user == "lin"
    # Whoever waits is told: the demo's mail goes to the console.
    dashboard.program.wait_for(f"Subject: [Countersign] Live: {release.package}@{NEW_VERSION}")


def invited_by(page: Page, dashboard: Dashboard) -> str:
    """An administrator makes the invitation, with a code, and hands over its link."""
    page.goto("/people/")
    page.get_by_role("link", name="Invite somebody").click()
    page.get_by_label("What the person may do").select_option("approver")
    page.get_by_label("For whom").fill("Lin of the harbour team")
    # Asked for where there is something to say only.
    packages = page.get_by_label("Packages at every registry")
    expect(packages).to_be_hidden()
    page.get_by_label("For which packages").select_option("some")
    expect(packages).to_be_visible()
    page.get_by_label("For which packages").select_option("everything")
    expect(packages).to_be_hidden()
    page.get_by_role("button", name="Make the link").click()
    expect(page.get_by_text("Confirm that it is you: with a passkey, or")).to_be_visible()
    expect(page.get_by_label("For whom")).to_have_value("Lin of the harbour team")
    assert_fits(page)
    # Goes off by itself when it is whole.
    code = dashboard.program.codes("ada").dashboard
    page.get_by_label("Code of your authenticator app").fill(code)
    field = page.get_by_label("Link", exact=True)
    expect(field).to_have_value(re.compile(r"^http://localhost:\d+/invitation/"))
    assert_fits(page)
    return field.input_value()


def accept(page: Page, link: str) -> None:
    page.goto(link)
    page.get_by_label("User name").fill("lin")
    page.get_by_label("E-mail address").fill("lin@lighthouse.example")
    page.get_by_label("First name").fill("Lin")
    page.get_by_label("Password").fill(PASSWORD)
    assert_fits(page)
    page.get_by_role("button", name="Make my account").click()
    expect(page.get_by_text("Welcome, Lin.")).to_be_visible()


def enrol(page: Page) -> FreshCodes:
    """Sets up an authenticator app with the secret that the page shows."""
    expect(page.get_by_role("heading", name="Set up a passkey")).to_be_visible()
    page.get_by_role("button", name="Set up an app").click()
    picture = page.get_by_role("img", name="QR code")
    expect(picture).to_be_visible()
    picture.evaluate("image => image.decode()")
    assert_fits(page)
    secret = page.get_by_text(re.compile(r"^([A-Z2-7]{4} )+[A-Z2-7]{4}$")).inner_text()
    codes = FreshCodes(secret.replace(" ", ""))
    # Each goes off by itself when it is whole.
    field = page.get_by_label("Code that the app shows")
    with page.expect_navigation():
        field.fill(codes.wrong())
    expect(page.get_by_text("This code is wrong.")).to_be_visible()
    code = codes.next(lasting=15)
    done = page.get_by_role("heading", name="Keep these recovery codes")
    for _ in range(50):
        with page.expect_navigation():
            field.fill(code)
        if done.is_visible():
            assert_fits(page)
            page.get_by_role("link", name="I have kept them: go on").click()
            return codes
        expect(page.get_by_text("Too many wrong codes: try again in")).to_be_visible()
    raise AssertionError("The new app was not accepted.")


def link_registry_account(page: Page, dashboard: Dashboard) -> None:
    page.goto("/accounts/")
    page.get_by_label("Token").fill("npm_nobody-has-this-token-00000000000")
    page.get_by_role("button", name="Check and link").click()
    expect(page.get_by_text("Not linked")).to_be_visible()
    expect(page.get_by_label("Token")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Token").fill(dashboard.newcomer_token)
    page.get_by_role("button", name="Check and link").click()
    expect(page.get_by_text("From now on you approve at sandbox as lin.")).to_be_visible()
    assert_fits(page)


def read_a_diff(page: Page) -> None:
    expect(page.get_by_role("heading", name="Files")).to_be_visible()
    page.get_by_role("link", name="Modified index.js").click()
    diff = page.get_by_role("region", name="Changes of lib/index.js")
    expect(diff).to_contain_text("exports.version = '1.0.0';")
    expect(diff).to_contain_text("exports.version = '1.1.0';")
    assert_fits(page)
