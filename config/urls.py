"""Addresses: the pages, and allauth's sign-in."""

from django.urls import include, path
from django.views.generic import RedirectView

urlpatterns = [
    # E-mail addresses change on the profile page, with the password and on record; allauth's own
    # page for them would let a signed-in browser change where new passwords are sent.
    path("account/email/", RedirectView.as_view(pattern_name="profile"), name="account_email"),
    path("account/", include("allauth.account.urls")),
    path("", include("approvals.web.urls")),
]
