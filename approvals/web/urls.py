"""The pages' addresses, one list a subject."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
