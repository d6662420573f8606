"""In the packument is not live until anybody can fetch the tarball, and it is the reviewed one."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from approvals.audit.models import OutboxEvent
from approvals.queue import live
from approvals.queue.models import AlarmKind, StagedVersion, State
from registry_client.client import RegistryClient
from registry_client.sandbox.accounts import Account
from registry_client.sandbox.call import Call
from registry_client.versions import PublishedVersion
from tests.approvals.conftest import House
from tests.approvals.events import kinds, topics
from tests.approvals.factories import make_staged_version
from tests.approvals.queue.watching import (
    a_while_ago,
    accepted,
    announce,
    long_ago,
    look_again,
    tarball_of,
)
from tests.packages import publish_document
from tests.registry_client.http_server import Handler, in_turn, serving

pytestmark = pytest.mark.usefixtures("no_pauses")

NOT_YET = live.NOT_VISIBLE_YET
RIGHT = tarball_of(publish_document("left-pad", "1.5.0"))


def right(handler: Handler) -> None:
    handler.say(200, RIGHT, content_type="application/octet-stream")


def other(handler: Handler) -> None:
    handler.say(200, b"x" * len(RIGHT), content_type="application/octet-stream")


def missing(handler: Handler) -> None:
    handler.say(404, {"error": "not here"})


def cut_off(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", str(len(RIGHT)))
    handler.end_headers()
    handler.wfile.write(RIGHT[:10])
    handler.drop()


def endless(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.close_connection = True
    while not handler.server.done.is_set():
        handler.wfile.write(b"x" * 65_536)


def dripping(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    handler.drip(RIGHT[:1])


def round_in_circles(handler: Handler) -> None:
    handler.say(302, location="/again.tgz")


def look_there(
    row: StagedVersion, monkeypatch: pytest.MonkeyPatch, answer: Callable[[Handler], None]
) -> list[dict[str, str]]:
    """Looks once while the packument leads to a server that answers so; the headers it got."""
    with serving(answer) as server, monkeypatch.context() as patched:
        announce(patched, tarball=f"{server.url}/left-pad-1.5.0.tgz")
        look_again(row)
    return [request.headers for request in server.requests]


def test_what_everybody_gets_is_fetched_by_nobody_in_particular(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked_by: list[Account | None] = []
    visitor = Call.visitor

    def noted(call: Call) -> Account | None:
        asked_by.append(visitor(call))
        return asked_by[-1]

    monkeypatch.setattr(Call, "visitor", noted)
    row = accepted(house)
    look_again(row)
    assert row.state == State.LIVE
    assert asked_by == [None, None]
    paths = [call.path for call in house.sandbox.control.calls()]
    assert paths == ["/left-pad", "/left-pad/-/left-pad-1.5.0.tgz"]


def test_the_token_of_the_registry_goes_to_no_other_host(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = accepted(house)
    [headers] = look_there(row, monkeypatch, right)
    assert row.state == State.LIVE
    assert "authorization" not in headers


def test_another_tarball_than_the_packument_says_is_an_alarm_and_never_live(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = accepted(house)
    look_there(row, monkeypatch, other)
    assert (row.state, row.alarm_kind) == (State.ACCEPTED, AlarmKind.LIVE_DIFFERS)
    assert "not with the tarball that was reviewed" in row.alarm
    look_there(row, monkeypatch, other)
    assert topics() == ["staged_version.alarm"]


def test_one_of_the_same_sha1_alone_is_an_alarm_too(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = accepted(house, sha512="0" * 128)
    # What the packument announces agrees with what was reviewed; what it leads to does not.
    announce(monkeypatch, integrity="")
    look_again(row)
    assert (row.state, row.alarm_kind) == (State.ACCEPTED, AlarmKind.LIVE_DIFFERS)
    assert "sha512" in row.alarm


def test_a_tarball_without_end_is_an_alarm(
    house: House, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.DOWNLOAD_LIMIT_BYTES = 1_000_000
    row = accepted(house)
    look_there(row, monkeypatch, endless)
    assert (row.state, row.alarm_kind) == (State.ACCEPTED, AlarmKind.LIVE_DIFFERS)
    assert "1,000,000 bytes" in row.alarm


@pytest.mark.parametrize("answer", [missing, cut_off, round_in_circles, dripping])
def test_what_cannot_be_fetched_is_not_live_until_it_can(
    house: House,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    answer: Callable[[Handler], None],
) -> None:
    settings.LIVE_DOWNLOAD_SECONDS = 1
    row = accepted(house)
    look_there(row, monkeypatch, answer)
    assert (row.state, row.alarm) == (State.ACCEPTED, "")
    assert row.live_check_at is not None
    assert row.live_check_at < timezone.now() + live.LONGEST_PAUSE
    look_there(row, monkeypatch, right)
    assert row.state == State.LIVE
    assert topics() == ["staged_version.live"]


def test_it_may_be_elsewhere(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    row = accepted(house)

    def moved(handler: Handler) -> None:
        handler.say(302, location="/files/left-pad-1.5.0.tgz")

    look_there(row, monkeypatch, in_turn(moved, right))
    assert row.state == State.LIVE


@pytest.mark.parametrize("status", [401, 403, 404, 429, 500, 503])
def test_a_registry_that_keeps_the_tarball_back_makes_nothing_live(
    house: House, status: int
) -> None:
    row = accepted(house)
    house.sandbox.control.refuse(status, count=100, prefix="/left-pad/-/")
    look_again(row)
    assert row.state == State.ACCEPTED
    house.sandbox.control.reset()
    look_again(row)
    assert (row.state, row.alarm) == (State.LIVE, "")


def test_one_that_drips_holds_up_no_other_for_long(
    house: House, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.LIVE_DOWNLOAD_SECONDS = 1
    slow = accepted(house)
    house.publish("right-pad", "1.0.0")
    with RegistryClient(house.sandbox.url) as client:
        published = client.packument("right-pad").versions["1.0.0"]
    good = make_staged_version(
        "right-pad",
        "1.0.0",
        registry=house.registry,
        shasum=published.shasum,
        sha512="",
        state=State.ACCEPTED,
        live_check_at=timezone.now(),
    )
    StagedVersion.objects.filter(pk=slow.pk).update(
        live_check_at=timezone.now() - timedelta(minutes=1)
    )
    packument = RegistryClient.packument
    with serving(dripping) as server:

        def leads_astray(client: RegistryClient, name: str) -> object:
            found = packument(client, name)
            if name == "left-pad":
                object.__setattr__(found.versions["1.5.0"], "tarball", f"{server.url}/it.tgz")
            return found

        monkeypatch.setattr(RegistryClient, "packument", leads_astray)
        live.watch_due()
        good.refresh_from_db()
        assert good.state == State.ACCEPTED  # its registry was not asked again in this sweep
        live.watch_due()
    good.refresh_from_db()
    slow.refresh_from_db()
    assert (good.state, slow.state) == (State.LIVE, State.ACCEPTED)
    assert len(server.requests) == 1


def test_while_one_worker_fetches_no_other_does(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = accepted(house)
    looked = []
    digests = RegistryClient.digests_of_published

    def fetches(client: RegistryClient, version: PublishedVersion, *, seconds: float) -> object:
        looked.append(live.watch_due())
        return digests(client, version, seconds=seconds)

    monkeypatch.setattr(RegistryClient, "digests_of_published", fetches)
    live.watch_due()
    row.refresh_from_db()
    assert looked == [0]
    assert row.state == State.LIVE


def test_a_worker_that_dies_over_it_is_followed_by_another(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = accepted(house)

    class Killed(BaseException):
        pass

    def dies(*args: object, **options: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(RegistryClient, "digests_of_published", dies)
        with pytest.raises(Killed):
            live.watch_due()
    row.refresh_from_db()
    assert row.live_check_at is not None
    assert row.live_check_at < timezone.now() + timedelta(minutes=5)
    look_again(row)
    assert row.state == State.LIVE


# ---------- what only some may install


def test_a_private_package_is_looked_at_with_the_read_token(house: House) -> None:
    row = accepted(house, access="private")
    look_again(row)
    assert row.state == State.LIVE
    assert [call.status for call in house.sandbox.control.calls(prefix="/left-pad")] == [200, 200]


def test_where_the_registry_says_nothing_of_access_what_strangers_do_not_see_is_private(
    house: House,
) -> None:
    row = accepted(house, published=False, access="")
    house.sandbox.publish(publish_document("left-pad", "1.5.0") | {"access": "private"}, by="ci")
    look_again(row)
    assert row.state == State.LIVE


def test_where_everybody_has_to_sign_in_so_does_who_looks(house: House) -> None:
    row = accepted(house)
    house.sandbox.control.refuse(401, count=1, prefix="/left-pad")
    look_again(row)
    assert row.state == State.LIVE


def test_a_public_package_that_strangers_cannot_see_is_not_live(house: House) -> None:
    row = accepted(house, published=False, **a_while_ago())
    house.sandbox.publish(publish_document("left-pad", "1.5.0") | {"access": "private"}, by="ci")
    look_again(row)
    assert row.state == State.ACCEPTED
    assert topics() == [NOT_YET]


# ---------- accepted, and not visible yet


def test_that_it_takes_long_is_said_once(house: House) -> None:
    row = accepted(house, published=False)
    look_again(row)
    assert topics() == []
    StagedVersion.objects.filter(pk=row.pk).update(**a_while_ago())
    look_again(row)
    look_again(row)
    assert topics() == [NOT_YET] == kinds()
    news = OutboxEvent.objects.get()
    assert news.stage_id == row.stage_id
    assert news.payload["package"] == "left-pad"
    assert "not in the packument yet" in news.payload["reason"]
    assert row.alarm == ""
    house.publish("left-pad", "1.5.0")
    look_again(row)
    assert topics() == [NOT_YET, "staged_version.live"]


def test_it_says_that_only_the_tarball_is_missing(house: House) -> None:
    row = accepted(house, **a_while_ago())
    house.sandbox.control.refuse(404, count=1, prefix="/left-pad/-/")
    look_again(row)
    reason = OutboxEvent.objects.get().payload["reason"]
    assert "its tarball cannot be fetched without signing in" in reason


def test_what_is_long_overdue_is_an_alarm_at_once_and_no_more_than_that(house: House) -> None:
    row = accepted(house, **long_ago())
    house.sandbox.control.refuse(404, count=2, prefix="/left-pad/-/")
    look_again(row)
    look_again(row)
    assert topics() == ["staged_version.alarm"]
    assert row.alarm_kind == AlarmKind.NOT_LIVE
    assert "its tarball cannot be fetched" in row.alarm
    look_again(row)
    assert (row.state, row.alarm) == (State.LIVE, "")


def test_who_was_told_of_a_wrong_digest_is_not_told_to_wait(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = accepted(house, **a_while_ago())
    look_there(row, monkeypatch, other)
    look_there(row, monkeypatch, missing)
    assert topics() == ["staged_version.alarm"]


def test_of_two_that_would_say_it_one_does(house: House) -> None:
    row = accepted(house, published=False, **a_while_ago())
    stale = StagedVersion.objects.with_package().get(pk=row.pk)
    look_again(row)
    live._say_once(stale, "it is not in the packument yet")
    assert topics() == [NOT_YET]
