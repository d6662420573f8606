"""A diff made otherwise: for who asks, once, and with a plain word where it cannot be."""

import zlib
from pathlib import Path

import pytest
from pytest_django import Settings

from approvals.inspection import tarballs, variants
from approvals.inspection.models import DiffVariant, FileChange, KeptTarball
from approvals.inspection.variants import CannotShow, diff_variant
from tests.approvals.at_once import at_once
from tests.approvals.factories import make_inspection, make_staged_version
from tests.packages import tarball

PRETTY = DiffVariant.Kind.PRETTY
WHITESPACE = DiffVariant.Kind.IGNORE_WHITESPACE
BUNDLE = ";".join(f"var v{n}=function(a,b){{return a+{n}}}" for n in range(300))


@pytest.fixture(autouse=True)
def var(settings: Settings, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "var"
    tarballs.forget_recent()


def changed(
    old: dict[str, str | bytes] | None, new: dict[str, str | bytes], path: str = ""
) -> FileChange:
    """The change of one file, really compared; by default the only one."""
    described: dict[str, str | bytes] = {"package.json": '{"name": "left-pad", "version": "1.5.0"}'}
    request = make_inspection(
        make_staged_version(),
        None,
        baseline_version="" if old is None else "1.4.2",
        tarballs=(None if old is None else tarball(described | old), tarball(described | new)),
    )
    files = FileChange.objects.filter(inspection=request.inspection)
    return files.get(path=path) if path else files.get()


def text(variant: DiffVariant) -> str:
    return zlib.decompress(variant.compressed).decode()


def lines(variant: DiffVariant, sign: str) -> list[str]:
    return [line[1:] for line in text(variant).split("\n") if line.startswith(sign)]


@pytest.mark.django_db
def test_a_one_line_bundle_shows_the_one_line_that_changed() -> None:
    change = changed({"a.js": BUNDLE}, {"a.js": BUNDLE.replace("a+250", "a+251")})
    variant = diff_variant(change, PRETTY)
    assert (variant.added_lines, variant.removed_lines) == (1, 1)
    assert lines(variant, "-") == ["  return a+250"]
    assert lines(variant, "+") == ["  return a+251"]


@pytest.mark.django_db
def test_white_space_alone_is_no_difference() -> None:
    change = changed({"a.js": "if (a)\nb()\nc()\n"}, {"a.js": "if (a)\n    b( )\nd()\n"})
    variant = diff_variant(change, WHITESPACE)
    assert (lines(variant, "-"), lines(variant, "+")) == (["c()"], ["d()"])


@pytest.mark.django_db
def test_only_white_space_changed_leaves_an_empty_diff() -> None:
    change = changed({"a.js": "a;\n\tb;\n"}, {"a.js": "a;\n\tb;  \n"})
    assert (text(diff_variant(change, WHITESPACE)), change.added_lines) == ("", 1)


@pytest.mark.django_db
def test_a_file_that_is_only_on_one_side() -> None:
    old = {"old.css": "a{b:c;d:e}"}
    new = {"new.json": '{"a":1,"b":[{"c":2}]}'}
    added = changed(old, new, "new.json")
    assert lines(diff_variant(added, PRETTY), "+")[:3] == ["{", '  "a":1,', '  "b":[']
    removed = FileChange.objects.get(path="old.css")
    assert lines(diff_variant(removed, PRETTY), "-") == ["a{", "  b:c;", "  d:e", "}"]


@pytest.mark.django_db
def test_a_renamed_file_is_compared_with_what_it_was() -> None:
    change = changed({"chunk-4f3a.js": BUNDLE}, {"chunk-99b1.js": BUNDLE + ";var last=1"})
    assert change.status == "renamed"
    assert lines(diff_variant(change, PRETTY), "+")[-1] == "var last=1"


@pytest.mark.django_db
def test_a_first_release() -> None:
    change = changed(None, {"a.js": "a;b;c"}, "a.js")
    assert lines(diff_variant(change, PRETTY), "+") == ["a;", "b;", "c"]


@pytest.mark.django_db
def test_it_is_made_once_and_then_needs_no_tarball() -> None:
    change = changed({"a.js": "a;b"}, {"a.js": "a;c"})
    first = diff_variant(change, PRETTY)
    KeptTarball.objects.all().delete()
    tarballs.forget_recent()
    assert diff_variant(change, PRETTY) == first
    assert DiffVariant.objects.count() == 1
    with pytest.raises(CannotShow):
        diff_variant(change, WHITESPACE)


@pytest.mark.django_db(transaction=True)
def test_two_readers_at_the_same_time_get_the_one_row() -> None:
    change = changed({"a.js": BUNDLE}, {"a.js": BUNDLE + ";b"})
    made = at_once(*[lambda: diff_variant(change, PRETTY).pk] * 4)
    assert len(set(made)) == 1
    assert DiffVariant.objects.get().pk == made[0]


@pytest.mark.django_db
def test_what_cannot_be_made_says_why_and_what_to_do() -> None:
    binary = changed({"a.png": b"\0a"}, {"a.png": b"\0b"})
    with pytest.raises(CannotShow, match=r"binary file.+Download"):
        diff_variant(binary, PRETTY)


@pytest.mark.django_db
def test_prose_is_not_pretty_printed() -> None:
    change = changed({"README.md": "a; b"}, {"README.md": "a; c"})
    with pytest.raises(CannotShow, match=r"Only code and data .+ instead"):
        diff_variant(change, PRETTY)
    assert diff_variant(change, WHITESPACE).added_lines == 1


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [PRETTY, WHITESPACE])
def test_the_tarball_is_gone(kind: DiffVariant.Kind) -> None:
    change = changed({"a.js": "a;b"}, {"a.js": "a;c"})
    KeptTarball.objects.all().delete()
    with pytest.raises(CannotShow, match=r"not kept here any more.+Read the diff as it is"):
        diff_variant(change, kind)
    assert not DiffVariant.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("kind", [PRETTY, WHITESPACE])
def test_a_large_file_is_refused_before_it_is_read(
    kind: DiffVariant.Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = changed({"a.js": "a;b"}, {"a.js": "a;c"})
    change.old_size = variants.LARGEST[kind] + 1
    monkeypatch.delattr(variants, "contents_of_change")
    with pytest.raises(CannotShow, match=rf"{change.old_size:,} bytes; .+ instead"):
        diff_variant(change, kind)


@pytest.mark.django_db
def test_a_size_that_is_not_the_files_does_not_help() -> None:
    large = "a" * (variants.LARGEST[WHITESPACE] + 1)
    change = changed({"a.js": "a;b"}, {"a.js": large})
    change.new_size = 5
    with pytest.raises(CannotShow, match="too large"):
        diff_variant(change, WHITESPACE)


@pytest.mark.django_db
def test_too_many_lines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "MOST_LINES", 500)
    change = changed({"a.js": ";" * 1000}, {"a.js": ";" * 400})
    with pytest.raises(CannotShow, match=r"too many lines .+: 999; 500 are allowed"):
        diff_variant(change, PRETTY)


@pytest.mark.django_db
def test_a_long_diff_is_bounded_and_says_so() -> None:
    many = "".join(f"line {n};" for n in range(100_000))
    variant = diff_variant(changed({"a.js": "a;"}, {"a.js": many}), PRETTY)
    assert variant.added_lines == 100_000
    assert "Only the beginning" in variant.note
    assert len(text(variant)) <= variants.LONGEST_DIFF


@pytest.mark.django_db
def test_broken_bytes_are_told() -> None:
    variant = diff_variant(changed({"a.js": b"a;b"}, {"a.js": b"a;\xff"}), PRETTY)
    assert "not valid UTF-8" in variant.note
    assert "\ufffd" in text(variant)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "hidden",
    [
        # A comment, where `yield` is a name.
        pytest.param(("yield/x;//;", "evil()"), id="misread-expression"),
        pytest.param(("a;", "b"), id="plain-statements"),
    ],
)
def test_what_pretty_printing_cannot_show_is_told(hidden: tuple[str, str]) -> None:
    one, two = hidden
    change = changed({"a.js": f"{one}{two}"}, {"a.js": f"{one}\n{two}"})
    variant = diff_variant(change, PRETTY)
    assert (text(variant), variant.added_lines) == ("", 0)
    assert variant.note == (
        "They differ only in white space that pretty-printing puts in as well: read the diff as "
        "it is."
    )


@pytest.mark.django_db
def test_nor_does_another_change_hide_it() -> None:
    change = changed({"a.js": "a;b;c;d;e;f;g"}, {"a.js": "a;\nb;c;d;e;f;x"})
    variant = diff_variant(change, PRETTY)
    assert lines(variant, "+") == ["x"]
    assert "the files' own differ as well" in variant.note


@pytest.mark.django_db
def test_the_end_of_a_comment_in_the_first_line_is_a_difference() -> None:
    first = "#!/usr/bin/env node ;"
    change = changed({"a.js": f"{first}evil()\nok()"}, {"a.js": f"{first}\nevil()\nok()"})
    variant = diff_variant(change, PRETTY)
    assert (lines(variant, "-"), lines(variant, "+")) == ([f"{first}evil()"], [first, "evil()"])
    assert variant.note == ""
