"""What people do on the pages, in the words that the pages use."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.browser.dashboard import Release

APPROVE = "Approve: make 1.1.0 installable by everyone as latest"
REJECT = "Reject: delete 1.1.0 from the registry for good"
PHONE, DESK = 390, 1440


def sign_in(page: Page, name: str, password: str) -> None:
    """Fills in the sign-in page."""
    page.goto("/")
    page.get_by_label("User name or e-mail address").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def open_confirmation(page: Page, release: Release, action: str = APPROVE) -> None:
    """From the version's page to the page that asks for codes."""
    page.goto(release.path)
    page.get_by_role("link", name=action).click()
    expect(page.get_by_role("heading", name="What will happen")).to_be_visible()
    # Until the script runs that lets a whole code go off by itself.
    page.wait_for_load_state("load")


def confirm(page: Page, action: str, code: str, registry_code: str = "") -> None:
    """Fills in the codes. With both of them there, the form goes off by itself."""
    registrys, own = (
        page.get_by_label("The registry's one-time code"),
        page.get_by_label("Your one-time code"),
    )
    registrys.fill(registry_code)
    own.fill(code)
    if not registry_code:
        page.get_by_role("button", name=action).click()


def confirm_once_allowed(page: Page, action: str, code: str, registry_code: str = "") -> None:
    """Confirms after a wrong code, again and again while codes are refused for some seconds."""
    locked = page.get_by_text("Too many wrong codes: try again in")
    done = page.get_by_role("heading", name="Approval").or_(
        page.get_by_role("heading", name="Rejection")
    )
    for _ in range(50):
        confirm(page, action, code, registry_code)
        expect(locked.or_(done)).to_be_visible()
        if done.is_visible():
            return
    raise AssertionError("Codes were still refused after fifty tries.")


def mark(page: Page) -> None:
    """Leaves a mark in the page that a reload would wipe out."""
    page.evaluate("window.neverReloaded = true")


def is_marked(page: Page) -> bool:
    return bool(page.evaluate("window.neverReloaded === true"))


def status(page: Page) -> Locator:
    """The part of a version's page that tells how its decision goes."""
    return page.get_by_role("region", name="Decision")


def live(page: Page) -> Locator:
    """What the page says once the version can be installed; before, it names that as to come."""
    return status(page).get_by_role("strong").filter(has_text="Live: everyone can install it")


def assert_fits(page: Page) -> None:
    """No page scrolls sideways, on a phone as on a desk, in light as in dark."""
    # A click returns once the next page has begun to arrive: it may have no body yet.
    page.wait_for_load_state()
    before = page.viewport_size
    shades = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        shades[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        for width in (PHONE, DESK):
            page.set_viewport_size({"width": width, "height": 900})
            needed = page.evaluate("document.scrollingElement.scrollWidth")
            assert needed <= width, f"{page.url} needs {needed} of {width} pixels in {scheme}"
    assert shades["light"] != shades["dark"], f"{page.url} has one shade for light and dark"
    page.emulate_media(color_scheme="light")
    if before:
        page.set_viewport_size(before)


def wait_until_looked_at(page: Page, package: str) -> None:
    """Until the queue's row of this package says what was found, in it and of where it was built.

    What is found after a page was opened keeps from deciding on that page.
    """
    row = page.get_by_role("row").filter(has_text=package)
    expect(row.get_by_text(re.compile(r"^1 file|2 files"))).to_be_visible()
    expect(row.get_by_text("Not proven")).to_be_visible()
