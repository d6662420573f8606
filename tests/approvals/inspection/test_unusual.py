"""What a reviewer is told first."""

import pytest

from approvals.inspection.models import Inspection
from approvals.inspection.unseen import MORE_DANGERS, NUL_IN_CODE
from approvals.inspection.unusual import Point, dangers_in, unusual_in, unusual_of
from approvals.queue.models import StagedVersion
from tests.approvals.factories import make_inspection, make_staged_version

pytestmark = pytest.mark.django_db


def points(old: dict[str, object], new: dict[str, object], **more: object) -> list[Point]:
    row = make_staged_version("left-pad", "1.5.0")
    files = more.pop("files", [])
    named = {"name": "left-pad", "version": "1.5.0"}
    request = make_inspection(
        row,
        files,  # type: ignore[arg-type]  # what the test gave
        manifest_old={**named, "version": "1.4.2", **old},
        manifest_new={**named, **new},
        **more,
    )
    return unusual_of(
        StagedVersion.objects.get(pk=row.pk), Inspection.objects.get(pk=request.inspection_id)
    )


def test_nothing_is_unusual_about_an_ordinary_change() -> None:
    assert points({"scripts": {"test": "a"}}, {"scripts": {"test": "b", "build": "c"}}) == []


@pytest.mark.parametrize("script", ["preinstall", "install", "postinstall"])
def test_a_new_script_that_runs_on_installation(script: str) -> None:
    (point,) = points({}, {"scripts": {script: "node x.js"}})
    assert f"{script} is new" in point.sentence
    assert (point.about, point.is_bad) == ("node x.js", True)


def test_a_changed_one_is_named_and_an_old_one_is_no_alarm() -> None:
    (point,) = points({"scripts": {"install": "a"}}, {"scripts": {"install": "b"}})
    assert "install changed" in point.sentence
    assert point.is_bad


def test_one_that_was_there_before_is_no_alarm() -> None:
    (point,) = points({"scripts": {"install": "a"}}, {"scripts": {"install": "a"}})
    assert "as it did before" in point.sentence
    assert not point.is_bad


def test_native_code_that_is_compiled_without_a_script() -> None:
    build = {"rule": "native-build", "path": "binding.gyp", "sentence": "npm compiles it."}
    (point,) = points({}, {}, problems=[build])
    assert point == Point("npm compiles it.", "binding.gyp", is_bad=True)


@pytest.mark.parametrize(
    "rule", ["nested-install-script", "nul-in-code", "became-code", "two-names"]
)
def test_hidden_code_is_an_alarm(rule: str) -> None:
    other = {"rule": "symlink", "path": "a", "sentence": "A link."}
    found = points({}, {}, problems=[other, {"rule": rule, "path": "b", "sentence": "Bad."}])
    assert [(point.about, point.is_bad) for point in found] == [("b", True), ("a", False)]


def test_what_an_earlier_version_found_is_not_called_all_there_is() -> None:
    points({}, {})
    inspection = Inspection.objects.get()
    inspection.engine_version = "1"
    (point,) = unusual_of(StagedVersion.objects.get(), inspection)
    assert "compare again" in point.sentence


def test_a_package_json_that_names_another_package_comes_first() -> None:
    found = points(
        {},
        {"name": "evil", "scripts": {"install": "a"}},
        problems=[{"rule": "link", "path": "x", "sentence": "A link."}],
    )
    assert "says evil@1.5.0, but it is staged as left-pad@1.5.0" in found[0].sentence
    assert found[-1].sentence == "A link."


def test_many_harmless_problems_do_not_push_a_dangerous_one_out_of_sight() -> None:
    harmless = [{"rule": "link", "path": f"{n}", "sentence": "A link."} for n in range(60)]
    dangerous = {"rule": NUL_IN_CODE, "path": "index.js", "sentence": "It holds NUL."}
    found = points({}, {}, problems=[*harmless, dangerous])
    assert (found[0].sentence, found[0].is_bad) == ("It holds NUL.", True)
    assert found[-1].sentence == "11 more problems like these."


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        (None, "In the baseline: It is not JSON. What package.json says was not compared."),
        ({"name": "left-pad"}, "In the baseline: It is not JSON."),
    ],
)
def test_a_baseline_whose_package_json_is_broken_is_no_silence(
    manifest: dict[str, str] | None, words: str
) -> None:
    broken = {"rule": "manifest", "path": "package.json", "sentence": "It is not JSON."}
    row = make_staged_version("left-pad", "1.5.0")
    make_inspection(
        row,
        [],
        manifest_old=manifest,
        manifest_new={"name": "left-pad", "version": "1.5.0"},
        old_problems=[broken],
    )
    (point,) = unusual_of(row, Inspection.objects.get())
    assert (point.sentence, point.about, point.is_bad) == (words, "package.json", False)


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ({"version": "1.0.0"}, "package.json has no name."),
        ({"name": ["a"], "version": "1.0.0"}, "package.json has no name."),
        ({"name": "a"}, "package.json has no version."),
        ({"name": "a", "version": ""}, "package.json has no version."),
        (
            {"name": "a", "version": "one"},
            "package.json has a version that is not one for npm.",
        ),
    ],
)
def test_without_a_registry_the_names_are_looked_at_by_themselves(
    manifest: dict[str, object], words: str
) -> None:
    (point,) = unusual_in({"manifest_new": manifest})
    assert (point.sentence, point.is_bad) == (words, True)


def test_a_package_that_was_another_one_before() -> None:
    before, after = {"name": "a", "version": "1.0.0"}, {"name": "b", "version": "1.0.0"}
    (point,) = unusual_in({"manifest_old": before, "manifest_new": after})
    assert (point.about, point.is_bad, point.rule) == ("a -> b", True, "named-otherwise")


def test_every_point_has_a_rule_for_programs_and_none_is_left_out() -> None:
    problems = [{"rule": "link", "path": f"{n}", "sentence": "A link."} for n in range(200)]
    summary = {
        "manifest_new": {"name": "a", "version": "x", "scripts": {"install": "b"}},
        "manifest_problem": "Two of them.",
        "problems": problems,
        "problems_left_out": 3,
    }
    found = unusual_in(summary)
    assert [point.rule for point in found][:4] == [
        "manifest",
        "odd-version",
        "install-script",
        "link",
    ]
    assert len(found) == 204
    assert found[-1].sentence == "3 more problems like these."


def test_dangerous_problems_are_never_counted_among_harmless_ones() -> None:
    harmless = [{"rule": "link", "path": f"{n}", "sentence": "A link."} for n in range(60)]
    dangerous = [{"rule": NUL_IN_CODE, "path": f"{n}.js", "sentence": "NUL."} for n in range(150)]
    found = points({}, {}, problems=[*harmless, *dangerous], problems_left_out=7)
    bad = [point for point in found if point.is_bad]
    assert [point.about for point in bad] == [f"{n}.js" for n in range(150)]
    assert found[-1].sentence == "47 more problems like these."
    assert (len(found), dangers_in(found)) == (171, 150)


def test_many_of_one_kind_do_not_push_out_another() -> None:
    many = [
        {"rule": rule, "path": f"{n}", "sentence": "Odd."}
        for rule in (NUL_IN_CODE, "link")
        for n in range(500)
    ]
    few = [
        {"rule": rule, "path": "", "sentence": rule}
        for rule in ("two-names", "no-end", "duplicate")
    ]
    sentences = [point.sentence for point in points({}, {}, problems=[*many, *few])]
    assert {"two-names", "no-end", "duplicate"} <= set(sentences)
    assert sentences.index("two-names") < 10
    assert "302 more dangerous problems." in sentences


def test_even_more_dangerous_ones_are_counted_as_what_they_are() -> None:
    dangerous = [{"rule": NUL_IN_CODE, "path": f"{n}.js", "sentence": "NUL."} for n in range(1000)]
    more = {"rule": MORE_DANGERS, "path": "", "sentence": "In 5 more files there is more."}
    found = points({}, {}, problems=[*dangerous, more])
    assert len(found) == 201
    assert "In 5 more files there is more." in [point.sentence for point in found]
    assert (found[-1].sentence, found[-1].is_bad) == ("801 more dangerous problems.", True)
    assert dangers_in(found) == 1001
    assert dangers_in(unusual_in({"problems": dangerous})) == 1000
