"""What stands before every call to the API."""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from approvals.api.waiting import BEGINNING


class NoSessionMiddleware:
    """A call is its token's: no browser's cookies come with it, so that none opens anything."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(BEGINNING):
            return self.get_response(request)
        request.META.pop("HTTP_COOKIE", None)
        request.COOKIES = {}
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store")
        return response
