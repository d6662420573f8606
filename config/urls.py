"""Addresses: the pages, and allauth's sign-in."""

from django.urls import include, path

urlpatterns = [
    path("account/", include("allauth.account.urls")),
    path("", include("approvals.web.urls")),
]
