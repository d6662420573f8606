"""Chromium, the running dashboard, and browsers that watch what every page does."""

import shutil
from collections.abc import Callable, Generator, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.dashboard import Dashboard, Person
from tests.browser.watch import Watch
from tests.services import own_services

CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
# The slowest thing a page waits for is a worker's next look, and the machine may be busy.
expect.set_options(timeout=20_000)

OpenBrowser = Callable[..., Page]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With a failed test, what the program said."""
    report = yield
    dashboard = item.funcargs.get("dashboard")
    if report.failed and isinstance(dashboard, Dashboard):
        report.sections.append(("Output of the program", dashboard.program.output[-8000:]))
    return report


@pytest.fixture(scope="package")
def dashboard(tmp_path_factory: pytest.TempPathFactory, _chromium: str) -> Iterator[Dashboard]:
    """The running dashboard of this test process, stopped when the last of these tests is done.

    Not later: its workers look for work all the time, and would slow down every other test.
    """
    with own_services() as services:
        running = Dashboard(
            tmp_path_factory.mktemp("dashboard"), services, approvers=19, releases=15
        )
        try:
            running.start()
            yield running
        finally:
            running.program.stop()


@pytest.fixture(scope="module")
def browser(_chromium: str) -> Iterator[Browser]:
    # One for a module, not a session: while Playwright runs, Django takes this thread for an
    # asynchronous one, and tests of other folders could not use the database.
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=_chromium, args=CHROMIUM_OPTIONS)
        yield running
        running.close()


@pytest.fixture
def open_browser(browser: Browser, dashboard: Dashboard) -> Iterator[OpenBrowser]:
    """Opens a browser of its own for a person, signed in; for nobody, signed out."""
    with Watch(browser, dashboard.program) as watch:

        def open_page(person: Person | None = None, *, session: str = "") -> Page:
            return watch.open(person.session if person else session)

        yield open_page


@pytest.fixture(scope="session")
def _chromium() -> str:
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed; the browser tests need Debian's package chromium.")
    return path
