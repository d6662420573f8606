"""Who staged a version or triggered its build, as far as they are people here."""

import pytest
from allauth.socialaccount.models import SocialAccount
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from approvals.audit.record import record
from approvals.decisions.judging.cases import cases_of
from approvals.people import github
from approvals.people.models import RegistryAccount, User
from approvals.policy.book import Book
from approvals.policy.case import Case
from approvals.queue.models import StagedVersion
from tests.approvals.factories import (
    make_account,
    make_provenance,
    make_provenance_check,
    make_registry,
    make_staged_version,
    make_user,
)

pytestmark = pytest.mark.django_db


def triggerers(names: str = "", ids: str = "", *, platform: str = "github") -> frozenset[int]:
    version = make_staged_version()
    make_provenance_check(
        version,
        make_provenance(version, platform=platform, triggered_by=names, triggered_by_ids=ids),
    )
    return case_of(version).triggerers


def case_of(version: StagedVersion) -> Case:
    rows = list(StagedVersion.objects.with_package().filter(pk=version.pk))
    return cases_of(rows, Book())[version.pk]


def connect(user: User, login: str, number: str) -> None:
    SocialAccount.objects.create(
        user=user, provider="github", uid=number, extra_data={"login": login}
    )


def test_by_user_name_account_and_github_in_any_case() -> None:
    ada, grace, linus = make_user("Ada"), make_user("grace"), make_user("linus")
    make_account(grace, make_registry(), username="grace-npm")
    connect(linus, "LinusT", "1024025")
    assert triggerers("ADA") == {ada.pk}
    assert triggerers("Grace-NPM") == {grace.pk}
    assert triggerers("linust") == {linus.pk}
    assert triggerers(ids="1024025") == {linus.pk}
    assert triggerers("ada linust") == {ada.pk, linus.pk}


def test_one_name_that_several_may_go_by_keeps_all_of_them_out() -> None:
    ada, grace = make_user("ada"), make_user("grace")
    make_account(grace, make_registry(), username="ada")
    assert triggerers("ada") == {ada.pk, grace.pk}


def test_github_names_are_not_looked_for_where_gitlab_built() -> None:
    connect(make_user("linus"), "torvalds", "1024025")
    assert triggerers("torvalds", "1024025", platform="gitlab") == frozenset()
    assert triggerers("linus", platform="gitlab") != frozenset()


def test_nobody_is_named() -> None:
    make_user("ada")
    assert triggerers() == frozenset()
    assert triggerers("zoe", "99") == frozenset()


def test_a_profile_of_another_shape_names_nobody() -> None:
    user = make_user("linus")
    SocialAccount.objects.create(user=user, provider="github", uid="7", extra_data=["login"])
    SocialAccount.objects.create(
        user=make_user("ada"), provider="github", uid="8", extra_data={"login": 7}
    )
    assert triggerers("login 7") == frozenset()


def test_what_only_a_refused_bundle_names_counts_for_nothing() -> None:
    make_user("ada")
    version = make_staged_version()
    proof = make_provenance(version, "", "refused")
    proof.build = {"triggered_by": "ada"}
    proof.save()
    make_provenance_check(version, proof)
    assert case_of(version).triggerers == frozenset()


def test_as_many_queries_for_many() -> None:
    ada = make_user("ada")
    versions = [make_staged_version(f"p{number}") for number in range(12)]
    for version in versions:
        make_provenance_check(version, make_provenance(version, triggered_by="ada"))

    def queries(number: int) -> int:
        rows = list(StagedVersion.objects.with_package().order_by("pk")[:number])
        with CaptureQueriesContext(
            connection,
        ) as seen:
            cases = cases_of(rows, Book())
        assert all(one.triggerers == {ada.pk} for one in cases.values())
        return len(seen)

    assert queries(2) == queries(12)


def test_an_account_that_was_linked_once_is_never_forgotten() -> None:
    ada, registry = make_user("ada"), make_registry()
    version = make_staged_version(registry=registry, actor="ada-npm")
    account = make_account(ada, registry, username="ada-npm")
    with transaction.atomic():
        record(
            "account.linked",
            actor=ada,
            subject=account,
            registry_url=registry.url,
            username="ada-npm",
        )
    assert case_of(version).stagers == {ada.pk}
    # Another one takes its place, or none does.
    RegistryAccount.objects.update(username="ada-bot")
    assert case_of(version).stagers == {ada.pk}
    assert triggerers("ada-npm") == {ada.pk}
    RegistryAccount.objects.all().delete()
    assert case_of(version).stagers == {ada.pk}


def test_a_name_at_github_that_was_connected_once_is_never_forgotten() -> None:
    linus = make_user("linus")
    connect(linus, "LinusT", "1024025")
    github.connected(linus)
    assert github.disconnect(linus)
    assert triggerers("linust") == {linus.pk}
