"""A registry that asks for a passkey on a page of its own."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.browser.actions import (
    APPROVE,
    assert_fits,
    confirm,
    is_marked,
    live,
    mark,
    open_confirmation,
)
from tests.browser.conftest import OpenBrowser
from tests.browser.dashboard import NEW_VERSION, Dashboard
from tests.services import own_services

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory: pytest.TempPathFactory, _chromium: str) -> Iterator[Dashboard]:
    """A dashboard whose registry takes passkeys, for this file alone."""
    with own_services() as services:
        running = Dashboard(
            tmp_path_factory.mktemp("web-flow"), services, approvers=1, releases=1, otp="web"
        )
        try:
            running.start()
            yield running
        finally:
            running.program.stop()


def test_a_touch_on_the_registrys_page_lets_it_go_live(
    dashboard: Dashboard, open_browser: OpenBrowser
) -> None:
    person, release = dashboard.approver(), dashboard.release()
    page, onlooker = open_browser(person), open_browser(dashboard.viewer())
    open_confirmation(page, release)
    confirm(page, APPROVE, person.codes.next())
    expect(page.get_by_text(f"You approved {release.package}@{NEW_VERSION}")).to_be_visible()
    mark(page)
    link = page.get_by_role("link", name="Confirm at")
    expect(link).to_be_visible()
    expect(link).to_have_attribute("rel", "noopener noreferrer")
    assert_fits(page)
    # The address would let whoever opens it prove somebody else's presence.
    address = link.get_attribute("href") or ""
    assert address.startswith(dashboard.program.sandbox_url)
    onlooker.goto(release.path)
    expect(onlooker.get_by_text(f"Only {person.name} can answer")).to_be_visible()
    assert address not in onlooker.content()

    with page.context.expect_page() as opened:
        link.click()
    registrys = opened.value
    expect(registrys.get_by_role("heading")).to_contain_text(release.package)
    assert dashboard.latest(release.package) != NEW_VERSION
    registrys.get_by_role("button", name="Confirm with passkey").click()
    expect(registrys.get_by_role("heading", name="Confirmed")).to_be_visible()

    expect(live(page)).to_be_visible()
    assert is_marked(page)
    assert dashboard.latest(release.package) == NEW_VERSION
    assert dashboard.approvals_sent(release) == [401, 201]
