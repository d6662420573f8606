"""The API's addresses; config/urls.py puts them under /api/v1/."""

from django.contrib.auth.decorators import login_not_required
from django.urls import path, re_path
from django.views.decorators.http import require_safe

from approvals.api import pages
from approvals.api.routes import api

_calls, _app_name, _namespace = api.urls
for _one in _calls:
    # Tokens let in here, and nothing else.
    if _one.callback is not None:
        # The document is not an operation, which ninja would ask for its methods.
        if _one.name == "openapi-json":
            _one.callback = require_safe(_one.callback)
        login_not_required(_one.callback)

urlpatterns = [
    path("docs", pages.docs, name="api_docs"),
    path("wait.sh", pages.wait_script, name="api_wait_script"),
    # ninja has a page of its own there, which answers nothing.
    path("", pages.nothing_here, name="api_no_page"),
    path("", (_calls, _app_name, _namespace)),
    re_path("", pages.nothing_here, name="api_nothing_here"),
]
