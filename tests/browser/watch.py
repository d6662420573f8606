"""Browsers that notice what no page may do: load from elsewhere, break its own policy, fail."""

import re
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response

from tests.program import Program

TELL_VIOLATIONS = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy violated: ${event.effectiveDirective} ${event.blockedURI}`));
"""
# Chromium says this of every page that is answered with 403, 404, 409 or 422.
STATUS_OF_A_PAGE = re.compile(r"Failed to load resource: the server responded with a status of 4")


class Watch:
    """Opens browser contexts, and at its end asserts that their pages did nothing forbidden."""

    def __init__(self, browser: Browser, program: Program, *, registry: str = "") -> None:
        """`registry` is the address of a registry that is not the program's own sandbox."""
        self._browser = browser
        self._program = program
        self._registry = registry or program.sandbox_url
        self._contexts: list[BrowserContext] = []
        self.wrongs: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for context in self._contexts:
            context.close()
        # Told of a test that failed as well: this is often why.
        assert not self.wrongs, "\n".join(self.wrongs)

    def open(self, session: str = "") -> Page:
        """A page of a new browser context at 1440 pixels, signed in with this session."""
        context = self._browser.new_context(
            base_url=self._program.url, viewport={"width": 1440, "height": 900}
        )
        self._contexts.append(context)
        context.set_default_timeout(20_000)
        context.add_init_script(TELL_VIOLATIONS)
        if session:
            context.add_cookies([{"name": "sessionid", "value": session, "url": self._program.url}])
        context.on("request", self._on_request)
        context.on("response", self._on_response)
        context.on("console", self._on_console)
        context.on("weberror", lambda error: self.wrongs.append(f"script failed: {error.error}"))
        return context.new_page()

    def _on_request(self, request: Request) -> None:
        host = urlsplit(request.url).netloc
        if host == urlsplit(self._program.url).netloc:
            return
        # A link may lead to the registry's own page; no page of ours may load from there.
        registry = urlsplit(self._registry).netloc
        if host == registry and (
            request.is_navigation_request() or urlsplit(request.frame.url).netloc == registry
        ):
            return
        self.wrongs.append(f"{request.frame.url} loads from elsewhere: {request.url}")

    def _on_response(self, response: Response) -> None:
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log = self._program.output[-4000:]
            self.wrongs.append(f"{response.url} answers {response.status}; the log ends:\n{log}")

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not STATUS_OF_A_PAGE.match(message.text):
            where = message.page.url if message.page else "a page"
            self.wrongs.append(f"{where} says: {message.text}")
