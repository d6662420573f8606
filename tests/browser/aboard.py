"""Signing in as a person does."""

from playwright.sync_api import expect

from tests.browser.actions import sign_in
from tests.browser.fleet import PASSWORD, Sailor
from tests.browser.hands import Hands, Passkey
from tests.browser.watch import Watch


def aboard(watch: Watch, sailor: Sailor) -> Hands:
    """A browser in which this person has signed in, with a passkey or a code."""
    page = watch.open()
    passkey = Passkey(page, sailor.credential) if sailor.credential else None
    if passkey:
        page.goto("/")
        page.get_by_role("button", name="Sign in with a passkey").click()
    else:
        assert sailor.codes
        sign_in(page, sailor.name, PASSWORD)
        expect(page.get_by_role("heading", name="Now your second factor")).to_be_visible()
        page.wait_for_load_state("load")
        # It goes off by itself when it is whole.
        page.get_by_label("Code of your authenticator app").fill(sailor.codes.next(lasting=15))
    expect(page.get_by_role("heading", name="Queue")).to_be_visible()
    if passkey:
        passkey.touches = 0
    return Hands(page, passkey)
