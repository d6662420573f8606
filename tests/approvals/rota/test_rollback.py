"""The commands that take a version back: exact, harmless in every shell, or none."""

import shlex
from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.queue.models import StagedVersion, State
from approvals.rota.rollback import LONGEST_MESSAGE, RollbackRefused, rollback_of
from registry_client.versions import Packument, PublishedVersion, baseline_for
from tests.approvals.factories import make_inspection, make_registry, make_staged_version

pytestmark = pytest.mark.django_db

REGISTRY = "https://registry.example.org/"


def live(
    package: str = "@acme/left-pad", version: str = "1.5.0", **fields: object
) -> StagedVersion:
    registry = fields.pop("registry", None) or make_registry("acme", url=REGISTRY)
    return make_staged_version(
        package,
        version,
        registry=registry,  # type: ignore[arg-type]  # taken from what was passed on
        state=fields.pop("state", State.LIVE),
        **fields,
    )


def compared(row: StagedVersion, published: list[str], tags: dict[str, str]) -> None:
    """As the comparison writes down what the registry said."""
    packument = Packument(
        row.package.name,
        {one: PublishedVersion(one, "", "", "", "", None, "") for one in published},
        tags,
        {},
        [],
    )
    baseline = baseline_for(packument, row.version, row.tag)
    request = make_inspection(row, baseline_version="")
    request.baseline_version = baseline.version.version if baseline.version else ""
    request.baseline_reason = baseline.reason
    request.published_versions = published
    request.save()


def lines(row: StagedVersion, **wanted: str) -> list[str]:
    return [one.line for one in rollback_of(row, **wanted).commands]


def test_the_dist_tag_goes_back_to_what_people_had_and_the_version_is_deprecated() -> None:
    row = live()
    compared(row, ["1.4.2", "1.4.1"], {"latest": "1.4.2"})
    where = '"--@acme:registry=https://registry.example.org/"'
    assert lines(row) == [
        f'npm dist-tag add "@acme/left-pad@1.4.2" "latest" {where}',
        'npm deprecate "@acme/left-pad@1.5.0" '
        f'"Do not use 1.5.0: it was taken back. Use 1.4.2." {where}',
    ]


def test_a_package_without_a_scope_names_its_registry_plainly() -> None:
    row = live("left-pad")
    compared(row, ["1.4.2"], {"latest": "1.4.2"})
    assert all(line.endswith(f'"--registry={REGISTRY}"') for line in lines(row))


def test_a_version_below_what_the_dist_tag_pointed_to_goes_back_to_that() -> None:
    """Its baseline is the highest below it: nobody had that."""
    row = live(version="1.5.1")
    compared(row, ["1.5.0", "2.0.0"], {"latest": "2.0.0"})
    assert rollback_of(row).back_to == "2.0.0"


def test_what_went_out_meanwhile_is_what_people_had() -> None:
    row = live()
    compared(row, ["1.4.2"], {"latest": "1.4.2"})
    StagedVersion.objects.filter(pk=row.pk).update(found_at=timezone.now() - timedelta(hours=2))
    row.refresh_from_db()
    live(
        version="1.4.9",
        registry=row.registry,
        state_changed_at=timezone.now() - timedelta(hours=1),
    )
    assert rollback_of(row).back_to == "1.4.9"


def test_a_dist_tag_that_has_gone_on_is_left_where_it_is() -> None:
    row = live(state_changed_at=timezone.now() - timedelta(hours=1))
    compared(row, ["1.4.2"], {"latest": "1.4.2"})
    live(version="1.5.1", registry=row.registry)
    found = rollback_of(row)
    assert "1.5.1" in found.why
    assert [one.line.split()[1] for one in found.commands] == ["deprecate"]
    assert "Use 1.5.1." in found.commands[0].line


@pytest.mark.parametrize("published", [[], ["0.0.0-stage"]])
def test_a_first_release_can_only_be_deprecated(published: list[str]) -> None:
    row = live()
    compared(row, published, {"latest": published[0]} if published else {})
    found = rollback_of(row)
    assert (found.back_to, found.choices) == ("", ())
    assert [one.line.split()[1] for one in found.commands] == ["deprecate"]


def test_a_dist_tag_that_nothing_had_is_taken_away() -> None:
    row = live(version="2.0.0-rc.1", tag="next")
    compared(row, ["1.4.2"], {"latest": "1.4.2"})
    assert lines(row)[0].startswith('npm dist-tag rm "@acme/left-pad" "next" ')


def test_a_person_chooses_where_it_goes_back_to_and_what_installers_read() -> None:
    row = live()
    compared(row, ["1.4.2", "1.4.1"], {"latest": "1.4.2"})
    add, deprecate = lines(row, back_to="1.4.1", message="Broken on Windows, sorry.")
    assert '"@acme/left-pad@1.4.1"' in add
    assert '"Broken on Windows, sorry."' in deprecate


def test_nothing_is_taken_back_to_what_is_not_known_to_be_published() -> None:
    row = live()
    compared(row, ["1.4.2"], {"latest": "1.4.2"})
    with pytest.raises(RollbackRefused, match="listed"):
        rollback_of(row, back_to="9.9.9")


@pytest.mark.parametrize(
    "message",
    [
        'x" & calc.exe "',
        "$(reboot)",
        "`reboot`",
        "100%PATH%",
        "wow!",
        "a\\",
        "a ^ b",
        "<b>",
        "a|b",
        "-otp",
        "\u201cx\u201d",
        "a" * (LONGEST_MESSAGE + 1),
    ],
)
def test_a_message_that_means_something_to_a_shell_is_refused(message: str) -> None:
    row = live()
    with pytest.raises(RollbackRefused):
        rollback_of(row, message=message)


def test_a_message_of_several_lines_becomes_one() -> None:
    assert '"Broken. See the log."' in lines(live(), message="Broken.\n  See the log.")[-1]


@pytest.mark.parametrize(
    ("package", "version", "tag"),
    [
        ("-rf", "1.0.0", "latest"),
        ("a b", "1.0.0", "latest"),
        ("a$(id)", "1.0.0", "latest"),
        ("a%PATH%", "1.0.0", "latest"),
        ("it's", "1.0.0", "latest"),
        ('a"b', "1.0.0", "latest"),
        ("@acme/-x;id", "1.0.0", "latest"),
        ("left-pad\n", "1.0.0", "latest"),
        ("left-pad", "1.0.0;id", "latest"),
        ("left-pad", "*", "latest"),
        ("left-pad", "1.x", "latest"),
        ("left-pad", "1.0.0+`id`", "latest"),
        ("left-pad", "1.0.0", "--otp=1"),
        ("left-pad", "1.0.0", "a&b"),
        ("left-pad", "1.0.0", "1.x"),
        ("left-pad", "1.0.0", "la\u0442est"),
    ],
)
def test_odd_names_have_no_command(package: str, version: str, tag: str) -> None:
    with pytest.raises(RollbackRefused, match="could do something else"):
        rollback_of(live(package, version, tag=tag))


@pytest.mark.parametrize(
    "url",
    [
        "https://registry.example.org/?a=1&b=2",
        "https://registry.example.org/%2e/",
        "https://a:b@registry.example.org/",
    ],
)
def test_an_odd_address_has_no_command(url: str) -> None:
    with pytest.raises(RollbackRefused, match="address"):
        rollback_of(live(registry=make_registry("odd", url=url)))


def test_a_word_is_one_word_to_a_shell_and_says_the_same() -> None:
    row = live(version="2.0.0-rc.1", tag="next")
    compared(row, ["2.0.0-rc.0"], {"next": "2.0.0-rc.0"})
    assert shlex.split(lines(row)[0]) == [
        *("npm", "dist-tag", "add", "@acme/left-pad@2.0.0-rc.0", "next"),
        f"--@acme:registry={REGISTRY}",
    ]


@pytest.mark.parametrize("state", [State.STAGED, State.REJECTED, State.WITHDRAWN])
def test_what_is_not_out_cannot_be_taken_back(state: State) -> None:
    with pytest.raises(RollbackRefused, match="not out"):
        rollback_of(live(state=state))


def test_what_somebody_published_elsewhere_can_be_taken_back() -> None:
    row = live(state=State.PUBLISHED_ELSEWHERE)
    compared(row, ["1.4.2"], {"latest": "1.4.2"})
    assert rollback_of(row).back_to == "1.4.2"
