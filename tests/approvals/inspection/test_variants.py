"""A diff made otherwise: for who asks, once, and with a plain word where it cannot be."""

import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from approvals.inspection import pretty, tarballs, variants
from approvals.inspection.models import DiffVariant, FileChange, KeptTarball
from approvals.inspection.tarballs import TarballGone
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
def test_of_several_readers_at_the_same_time_one_waits_for_the_diff(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change = changed({"a.js": BUNDLE}, {"a.js": BUNDLE + ";b"})
    refused: list[str] = []
    read = variants.contents_of_change

    def while_it_is_made(*args: Any, **named: Any) -> Any:
        for kind in (PRETTY, WHITESPACE):
            with pytest.raises(CannotShow) as busy:
                diff_variant(change, kind)
            refused.append(str(busy.value))
        return read(*args, **named)

    monkeypatch.setattr(variants, "contents_of_change", while_it_is_made)
    made = diff_variant(change, PRETTY)
    assert refused == ["Another diff is being made just now: try again in a moment."] * 2
    monkeypatch.setattr(variants, "contents_of_change", read)
    assert diff_variant(change, PRETTY) == made
    assert diff_variant(change, WHITESPACE)
    answers = at_once(*[lambda: diff_variant(change, PRETTY).pk] * 4)
    assert answers == [made.pk] * 4


@pytest.mark.django_db
def test_what_failed_does_not_keep_the_next_from_being_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change = changed({"a.js": BUNDLE}, {"a.js": BUNDLE + ";b"})
    for error in (TarballGone("It is gone."), MemoryError()):
        with monkeypatch.context() as broken:
            broken.setattr(variants, "contents_of_change", raising(error))
            with pytest.raises((CannotShow, MemoryError)):
                diff_variant(change, PRETTY)
    assert not DiffVariant.objects.exists()
    assert diff_variant(change, PRETTY).added_lines == 2


def raising(error: BaseException) -> Callable[..., None]:
    def function(*args: object, **named: object) -> None:
        raise error

    return function


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
@pytest.mark.parametrize(
    ("kind", "limit", "sentence"),
    [
        (PRETTY, "most lines", "It has too many lines to be shown like this: 500 are allowed. "),
        (
            WHITESPACE,
            "most lines",
            "It has too many lines to be shown like this: 500 are allowed. ",
        ),
        (PRETTY, "most different", "Too much of it differs to be shown like this: 1,600 lines; "),
        (
            WHITESPACE,
            "most different",
            "Too much of it differs to be shown like this: 1,600 lines; ",
        ),
    ],
    ids=["pretty", "white space", "pretty and different", "white space and different"],
)
def test_too_many_lines_are_refused_and_not_counted_again(
    kind: DiffVariant.Kind, limit: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if limit == "most lines":
        monkeypatch.setattr(variants, "MOST_LINES", 500)
        monkeypatch.setattr(pretty, "MOST_LINES", 500)
    else:
        monkeypatch.setattr(variants, "MOST_DIFFERENT", 500)
    change = changed({"a.js": "a;\n" * 800}, {"a.js": "b;\n" * 800})
    for _ in range(2):
        with pytest.raises(CannotShow) as refused:
            diff_variant(change, kind)
        assert str(refused.value).startswith(sentence)
        assert str(refused.value).endswith("Read the diff as it is instead.")
        # Neither the tarball nor any time is needed for the second answer.
        KeptTarball.objects.all().delete()
        tarballs.forget_recent()


@pytest.mark.django_db
def test_bundles_with_more_lines_than_are_compared_at_once_show_what_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(variants, "MOST_DIFFERENT", 30_000)
    bundle = ";".join(f"v{n}=function(){{return {n}}}" for n in range(10_000))
    new = bundle.replace("return 10}", "return 11}").replace("return 9990}", "return 9991}")
    change = changed({"a.min.js": bundle}, {"a.min.js": new})
    variant = diff_variant(change, PRETTY)
    assert lines(variant, "-") == ["  return 10", "  return 9990"]
    assert lines(variant, "+") == ["  return 11", "  return 9991"]
    assert "@@ -29969,7 +29969,7 @@" in text(variant)
    assert variant.note == ""


def differing(kind: str) -> tuple[bytes, bytes]:
    """Two texts that are as large, have as many lines, and differ as much as is allowed."""
    count = variants.MOST_DIFFERENT // 2 - 50
    both = []
    for first in (0, 10**7):
        if kind == "pretty":
            tokens = (b"a%d" % (first + number) for number in range(count))
            head = b"{" * 30
            largest = variants.LARGEST[PRETTY]
            both.append(head + b";".join(tokens) + b";" + b"x" * 100)
            both[-1] += b"y" * (largest - len(both[-1]))
        else:
            width = variants.LARGEST[WHITESPACE] // count - 1
            numbers = range(first, first + count)
            both.append(b"\n".join((b"%d" % number).ljust(width, b"z") for number in numbers))
    return both[0], both[1]


@pytest.mark.parametrize("kind", ["pretty", "whitespace"])
def test_a_web_process_stays_small(kind: str) -> None:
    # A process of its own, as the peak of this one is over.
    child = subprocess.run(
        [sys.executable, "-c", CHILD.format(kind=kind)],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"},
    )
    lines, grown = map(int, child.stdout.split())
    assert lines > variants.MOST_DIFFERENT // 2 - 100
    assert grown < 110


CHILD = """
import django
django.setup()
from approvals.inspection import variants
from approvals.inspection.models import DiffVariant, FileChange
from tests.approvals.inspection.test_variants import differing

def peak():
    status = open("/proc/self/status").read()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024

texts = [differing("{kind}")]
variants.contents_of_change = lambda change, most: texts.pop()
with open("/proc/self/clear_refs", "w") as peaks:
    peaks.write("5")
before = peak()
change = FileChange(path="a.js", status="modified", kind="source")
diff = variants._made(change, DiffVariant.Kind("{kind}"))
print(diff.added_lines, peak() - before)
"""


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
