"""What tests ask of any page."""

import re
from html import unescape

from django.http import HttpResponse
from django.test import Client

from approvals.people import sessions
from approvals.people.models import User

HTMX = {"HX-Request": "true"}


def sign_in(user: User, client: Client | None = None) -> Client:
    """A browser in which this person is signed in, and has shown a second factor."""
    client = sign_in_unverified(user, client)
    session = client.session
    session[sessions.VERIFIED] = {"method": "totp", "at": 0, "user": user.pk}
    session.save()
    return client


def sign_in_unverified(user: User, client: Client | None = None) -> Client:
    """A browser in which this person is signed in, and no more."""
    client = client or Client()
    client.force_login(user, backend="approvals.people.backend.PeopleBackend")
    return client


def text_of(response: HttpResponse) -> str:
    """What a reader sees: no tags, entities resolved, white space made single."""
    html = re.sub(r"<(head|script)\b.*?</\1>", " ", response.content.decode(), flags=re.S)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def code_of(response: HttpResponse) -> str:
    """The same, where highlighting and marks part no words, and minus signs are those of code."""
    html = re.sub(r"</?mark>", "", response.content.decode())
    html = re.sub(r'<span class="hl-\w">(.*?)</span>', r"\1", html, flags=re.S)
    return text_of(HttpResponse(html)).replace("\N{MINUS SIGN}", "-")


def assert_strict(response: HttpResponse) -> None:
    """The policy forbids inline code and other hosts, and the page does not need them."""
    policy = response["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    html = response.content.decode()
    assert not re.search(r"<[^>]*\sstyle\s*=", html)
    assert "<style" not in html
    assert not re.search(r"<[^>]*\son\w+\s*=\s*[\"']", html)
    assert not re.search(r"<script(?![^>]*\ssrc=)", html)
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//[^\"]*\.(?:js|css)", html)
