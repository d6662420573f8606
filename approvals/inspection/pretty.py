"""Line breaks for minified JavaScript, CSS and JSON, so that two versions can be compared by line.

For reading only: nothing is parsed, and what is taken for a string, a comment or a regular
expression is a good guess. The text never changes: line breaks and indentation are put in between
tokens, and nothing is taken away; which breaks are the file's own is kept beside it. Time and
memory grow with the length alone, whatever the text is. A beautifier such as jsbeautifier was left
out: it takes most of a minute for 5 MB, and has no bound for input that is broken on purpose.
"""

import re
from array import array
from dataclasses import dataclass
from posixpath import splitext

_INDENT = 2
_DEEPEST = 20
_LONG_LINE = 100
# What indentation may add to a text, in bytes and in parts of its length; beyond that lines start
# at the margin.
_ROOM = 64 * 1024
_ROOM_RATIO = 2
# More than real bundles have.
MOST_LINES = 400_000
# Behind so many of them the text stays as it is.
_MOST_TOKENS = 1_500_000
# Slashes that are no comment, and arrows, take longer than other tokens, and are few.
_MOST_SLASHES = 50_000
# Templates and regular expressions, too.
_MOST_SKIPS = 300_000

# Possessive, so that no text can make them try twice.
_DOUBLE = rb'"(?:[^"\\\n]++|\\[\s\S])*+"?'
_SINGLE = rb"'(?:[^'\\\n]++|\\[\s\S])*+'?"
_BLOCK_COMMENT = rb"/\*(?:[^*]++|\*(?!/))*+(?:\*/)?"
# What ends a line in JavaScript (ECMA-262, "Line Terminators"), U+2028 and U+2029 included.
_LINE_BREAK = re.compile(rb"[\n\r]|\xe2\x80[\xa8\xa9]")
_REST_OF_LINE = rb"(?:[^\n\r\xe2]++|\xe2(?!\x80[\xa8\xa9]))*+"
_SCRIPT = re.compile(
    b"|".join(
        (
            rb"[;{}()\[\],`]",
            _DOUBLE,
            _SINGLE,
            _BLOCK_COMMENT,
            rb"//" + _REST_OF_LINE,
            rb"/",
            # Comments as well, in whatever is no module (ECMA-262, "HTML-like Comments").
            rb"<!--" + _REST_OF_LINE,
            rb"-->",
        )
    )
)
_LINE = re.compile(_REST_OF_LINE)
_FIRST_LINE = re.compile(rb"(?:\xef\xbb\xbf)?#!" + _REST_OF_LINE)
_STYLE = re.compile(
    b"|".join((rb"[;{}()\[\],]", _DOUBLE, _SINGLE, _BLOCK_COMMENT, rb"url\([^\"')\n]*+\)?"))
)
_JSON = re.compile(b"|".join((rb"[{}\[\],]", _DOUBLE)))
_TEMPLATE = re.compile(rb"(?:[^`\\$]++|\\[\s\S]|\$(?!\{))*+")
_REGEX = re.compile(
    rb"/(?:[^\\/\[\n]++|\\[^\n]|\[(?:[^\]\\\n]++|\\[^\n])*+\])++/",
)
_SPACE = re.compile(rb"[ \t\f\v]*+")
# Behind these words stands a value, so that a slash starts a regular expression.
_BEFORE_VALUE = re.compile(
    rb"(?:^|[^\w$.])(?:return|typeof|instanceof|in|of|new|delete|void|throw|case|do|else|yield"
    rb"|await)\Z"
)
_BEFORE_CONDITION = re.compile(rb"(?:^|[^\w$.])(?:if|while|for|with)\s?\Z")
_LONGEST_WORD = 12
# What goes on in the line that ends a block.
_GOES_ON_WITH = tuple(bytes([char]) for char in b",;)].:?(|&=*+-<>`/%")
_JSON_BREAKS = (b"{", b"[", b'"')
# A block and no object follows.
_BEFORE_BLOCK = re.compile(rb"(?:[);{}]|=>|\b(?:else|do|try|finally))\Z")
_SIGNS = frozenset(b"+-")
_MARGIN = frozenset(b" \t")
_CURLIES = frozenset(b"{$")
_NEXT_PART = re.compile(rb"(?:else|catch|finally|from|in|instanceof|as)\b")
_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_$")
_ENDS_VALUE = frozenset(b")]}\"'`<") | _WORD
_BLANK = frozenset(b" \t\f\v\r\n")
_ENDS_OF_LINE = frozenset(b"\r\n")
_LANGUAGES = {
    ".json": _JSON,
    ".map": _JSON,
    ".webmanifest": _JSON,
    ".css": _STYLE,
    ".scss": _STYLE,
    ".less": _STYLE,
}
_NEW_LINES = [b"\n" + b" " * indent for indent in range(_DEEPEST * _INDENT + 1)]
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


class TooManyLines(Exception):
    """The text has, or would get, more lines than were asked for."""


def pretty(content: bytes, path: str) -> bytes:
    """The same text with more line breaks and indentation; the path's ending says the language.

    What is not known to be JSON or CSS is read as JavaScript. Only line breaks with the spaces
    behind them are put in, and only before something that can be seen. Raises TooManyLines as
    soon as there would be more than 400,000.
    """
    return pretty_printed(content, path).text


@dataclass(frozen=True, slots=True)
class Printed:
    """Pretty-printed text, and where in it line breaks were put in."""

    text: bytes
    put_in: "array[int]"

    def own_breaks(self) -> bytearray:
        """Of each line break, in order, whether it is the file's own: 1 or 0.

        Together with the text this is the whole file: no two have both in common.
        """
        own = bytearray()
        start = 0
        for place in self.put_in:
            own += b"\1" * self.text.count(b"\n", start, place)
            own.append(0)
            start = place + 1
        return own + b"\1" * self.text.count(b"\n", start)


def pretty_printed(content: bytes, path: str) -> Printed:
    """What `pretty` makes, with the places of what it put in. Raises TooManyLines."""
    most_breaks = MOST_LINES - content.count(b"\n")
    if most_breaks < 0:
        raise TooManyLines
    if content.startswith(_UTF16):
        return Printed(content, array("Q"))
    tokens = _LANGUAGES.get(splitext(path)[1].lower(), _SCRIPT)
    printer = _Printer(content, tokens, most_breaks)
    return Printed(printer.printed(), printer.put_in)


def hides_breaks(old: Printed, new: Printed, diff: str, *, is_whole: bool) -> bool:
    """Whether two lines that a diff of these texts shows as the same end in different breaks:
    one in the file's own and the other in one that was put in.

    Such a break may be the end of a comment, and what follows it code that was none before.
    `diff` is hunks of a unified diff; if it is not whole, its last line is where looking ends.
    """
    breaks = old.own_breaks(), new.own_breaks()
    kept = bytearray(), bytearray()
    at = [0, 0]
    for line in diff.split("\n"):
        if head := _HUNK.match(line):
            # With no lines on one side, its number is that of the line before.
            for side, (first, count) in enumerate(((head[1], head[2]), (head[3], head[4]))):
                start = int(first) - (count != "0")
                kept[side].extend(breaks[side][at[side] : start])
                at[side] = start
        elif line[:1] in (" ", "-", "+"):
            if line[0] == " ":
                for side in (0, 1):
                    kept[side].extend(breaks[side][at[side] : at[side] + 1])
            at[0] += line[0] != "+"
            at[1] += line[0] != "-"
    if is_whole:
        for side in (0, 1):
            kept[side].extend(breaks[side][at[side] :])
    return kept[0] != kept[1]


_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class _Printer:
    """One text on its way. Brackets that do not match are borne with."""

    def __init__(self, content: bytes, tokens: re.Pattern[bytes], most_breaks: int) -> None:
        self.content = content
        self.tokens = tokens
        self.out = bytearray()
        self.done = 0
        self.room = _ROOM + _ROOM_RATIO * len(content)
        # Where the brackets that are open began; `${` of a template counts from its `$`.
        self.open = array("Q")
        self.braces = 0
        self.put_in = array("Q")
        self.most_breaks = most_breaks
        self.slashes = self.skips = 0
        self.line_start = 0
        # What was closed last, to know what a slash behind it means: where it began and ended.
        self.closed = (-1, -1)
        # Where code ended before the last comment, where that comment ended, and whether there is
        # a line break between the two.
        self.comment = (-1, -1, False)
        self.no_regex_before = 0

    def printed(self) -> bytes:
        """The text with line breaks."""
        content, find = self.content, self.tokens.finditer
        takers = {
            ord("("): self._open_round,
            ord("["): self._open_square,
            ord("{"): self._open_curly,
            ord(")"): self._close_round,
            ord("]"): self._close_square,
            ord("}"): self._close_curly,
            ord(";"): self._semicolon,
            ord(","): self._comma,
            ord("`"): self._template,
            ord("/"): self._slash,
            ord("<"): self._comment,
            ord("-"): self._arrow,
        }
        start = seen = 0
        if self.tokens is _SCRIPT and (first := _FIRST_LINE.match(content)):
            start = first.end()
            self.comment = (0, start, False)
        while start < len(content):
            resume = len(content)
            for seen, match in enumerate(find(content, start), seen + 1):  # noqa: B020 - it goes on
                at = match.start()
                take = takers.get(content[at])
                if take and (skip_to := take(at, match.end())):
                    resume = skip_to
                    break
                if seen > _MOST_TOKENS or self.slashes > _MOST_SLASHES:
                    break
            self.skips += 1
            if self.skips > _MOST_SKIPS:
                break
            start = resume
        self.out += content[self.done :]
        return bytes(self.out)

    def _break(self, place: int) -> None:
        """Start a new line at that place, unless there is one."""
        content = self.content
        place = self._next(place)
        if place >= len(content) or content[place] in _ENDS_OF_LINE or place <= self.done:
            return
        if len(self.put_in) >= self.most_breaks:
            raise TooManyLines
        self.out += content[self.done : place]
        self.put_in.append(len(self.out))
        indent = min(self.braces, _DEEPEST) * _INDENT
        self.room -= indent
        self.out += _NEW_LINES[indent if self.room > 0 else 0]
        self.done = self.line_start = place

    def _break_after_start(self, place: int, closing: bytes) -> None:
        following = self._next(place)
        if not self.content.startswith(closing, following):
            self._break(following)

    def _break_before_end(self, start: int, at: int) -> None:
        """Put a closing bracket on a line of its own, unless it is there or nothing is in it."""
        before = self._before_blanks(at, _MARGIN)
        if before > start + 1 and self.content[before - 1] not in _ENDS_OF_LINE:
            self._break(at)

    def _line_is_long(self, at: int) -> bool:
        if at - self.line_start < _LONG_LINE:
            return False
        self.line_start = max(self.content.rfind(b"\n", self.line_start, at), self.line_start)
        return at - self.line_start >= _LONG_LINE

    def _inside(self) -> bytes:
        """The innermost bracket that is open; a curly one stands for none, too."""
        return self.content[self.open[-1] : self.open[-1] + 1] if self.open else b"{"

    def _next(self, place: int) -> int:
        """Where the next thing that is no blank stands in this line."""
        if place < len(self.content) and self.content[place] in _BLANK:
            space = _SPACE.match(self.content, place)
            return space.end() if space else place
        return place

    def _open_round(self, at: int, end: int) -> int:
        self.open.append(at)
        return 0

    def _open_square(self, at: int, end: int) -> int:
        self.open.append(at)
        if self.tokens is _JSON:
            self.braces += 1
            self._break_after_start(end, b"]")
        return 0

    def _open_curly(self, at: int, end: int) -> int:
        self.open.append(at)
        self.braces += 1
        self._break_after_start(end, b"}")
        return 0

    def _close_round(self, at: int, end: int) -> int:
        if self._inside() == b"(":
            self.closed = (self.open.pop(), at)
        return 0

    def _close_square(self, at: int, end: int) -> int:
        if self._inside() == b"[":
            start = self.open.pop()
            if self.tokens is _JSON:
                self.braces -= 1
                self._break_before_end(start, at)
        return 0

    def _close_curly(self, at: int, end: int) -> int:
        stack, content = self.open, self.content
        if not self.braces:
            return 0
        # What is open inside of a block that ends was misread, or is broken.
        start = stack.pop()
        while content[start] not in _CURLIES:
            if self.tokens is _JSON:
                self.braces -= 1
                if not self.braces:
                    return 0
            start = stack.pop()
        self.braces -= 1
        if content[start] == ord("$"):
            return self._template_text(end)
        self.closed = (start, at)
        self._break_before_end(start, at)
        following = self._next(end)
        char = content[following : following + 1]
        goes_on = char in _GOES_ON_WITH or _NEXT_PART.match(content, following)
        # What closes next breaks its line itself, less deep.
        if char != b"}" and (self.tokens is _STYLE or not goes_on):
            self._break(end)
        return 0

    def _semicolon(self, at: int, end: int) -> int:
        if self._inside() == b"{":
            self._break(end)
        return 0

    def _comma(self, at: int, end: int) -> int:
        inside = self._inside()
        if inside == b"{" and self.tokens is not _STYLE:
            self._break(end)
        elif self.tokens is _JSON:
            if self.content[end : end + 1] in _JSON_BREAKS or self._line_is_long(at):
                self._break(end)
        elif (inside != b"(" or self.tokens is _SCRIPT) and self._line_is_long(at):
            self._break(end)
        return 0

    def _template(self, at: int, end: int) -> int:
        return self._template_text(end)

    def _template_text(self, start: int) -> int:
        """Past the text of a template, to its end or the code inside it."""
        text = _TEMPLATE.match(self.content, start)
        end = text.end() if text else start
        if self.content.startswith(b"${", end):
            self.open.append(end)
            self.braces += 1
            return end + 2
        return end + 1

    def _slash(self, at: int, end: int) -> int:
        content = self.content
        if end > at + 1:
            return self._comment(at, end)
        self.slashes += 1
        if at < self.no_regex_before or not self._value_may_start(self._code_end(at)):
            return 0
        regex = _REGEX.match(content, at)
        if regex is not None:
            return regex.end()
        # It is tried once a line: a second slash would only be searched for again.
        self.no_regex_before = content.find(b"\n", at) + 1 or len(content)
        return 0

    def _comment(self, at: int, end: int) -> int:
        has_break = self._begins_line(at) or bool(_LINE_BREAK.search(self.content, at, end))
        self.comment = (self._code_end(at), end, has_break)
        return 0

    def _arrow(self, at: int, end: int) -> int:
        """`-->` is a comment where nothing but blanks and comments is before it in its line."""
        self.slashes += 1
        if self._code_end(at) and not self._begins_line(at):
            return 0
        line = _LINE.match(self.content, at)
        end = line.end() if line else end
        self._comment(at, end)
        return end

    def _begins_line(self, at: int) -> bool:
        """Whether a line break stands between that place and the code before it."""
        before = self._before_blanks(at, _BLANK)
        _, comment_end, has_break = self.comment
        if before == comment_end and has_break:
            return True
        return _LINE_BREAK.search(self.content, before, at) is not None

    def _code_end(self, at: int) -> int:
        """Where code ends before that place, past blanks and comments."""
        at = self._before_blanks(at, _BLANK)
        code_end, comment_end, _ = self.comment
        return code_end if at == comment_end else at

    def _before_blanks(self, at: int, blanks: frozenset[int]) -> int:
        while at and self.content[at - 1] in blanks:
            at -= 1
        return at

    def _value_may_start(self, place: int) -> bool:
        """Whether a slash behind that place starts a regular expression and does not divide."""
        if not place:
            return True
        content = self.content
        last = content[place - 1]
        if last in _WORD:
            return bool(_BEFORE_VALUE.search(content[max(place - _LONGEST_WORD, 0) : place]))
        start, closed_at = self.closed
        if closed_at == place - 1 and last == ord(")"):
            return bool(_BEFORE_CONDITION.search(content[max(start - _LONGEST_WORD, 0) : start]))
        if closed_at == place - 1 and last == ord("}"):
            before = content[max(start - _LONGEST_WORD, 0) : start].rstrip()
            return not before or bool(_BEFORE_BLOCK.search(before))
        if last in _SIGNS and content[place - 2 : place - 1] == bytes([last]):
            return False
        return last not in _ENDS_VALUE
