"""Addresses: the pages, and allauth's sign-in."""

from allauth.account.views import logout
from allauth.socialaccount.providers.github.views import oauth2_callback, oauth2_login
from django.urls import include, path
from django.views.decorators.http import require_POST
from django.views.generic import RedirectView

from approvals.people.sessions import unverified_allowed
from approvals.web.views.entrance import where_github_is_configured

urlpatterns = [
    # E-mail addresses change on the profile page, with the password and on record; allauth's own
    # page for them would let a signed-in browser change where new passwords are sent.
    path("account/email/", RedirectView.as_view(pattern_name="profile"), name="account_email"),
    # Whoever cannot show a second factor must be able to leave.
    path("account/logout/", unverified_allowed(logout), name="account_logout"),
    path("account/", include("allauth.account.urls")),
    # Of allauth's pages about other sites' accounts, these two: the way to GitHub, and back.
    path(
        "account/github/",
        where_github_is_configured(require_POST(oauth2_login)),
        name="github_login",
    ),
    path(
        "account/github/callback/",
        where_github_is_configured(oauth2_callback),
        name="github_callback",
    ),
    path("api/v1/", include("approvals.api.urls")),
    path("", include("approvals.web.urls")),
]
