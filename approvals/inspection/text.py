"""Turning a package's bytes into text that can be stored and shown."""


def display_text(data: bytes) -> str:
    """UTF-8 with replacement, without NUL, which a database refuses."""
    return clean(data.decode("utf-8", "replace"))


def clean(text: str) -> str:
    """The text without NUL and lone surrogates, which databases and UTF-8 refuse."""
    text = text.replace("\0", "\u2400")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text


def is_binary(head: bytes) -> bool:
    """Git's rule: a NUL in the first 8000 bytes."""
    return b"\0" in head[:8000]


def is_utf8(data: bytes) -> bool:
    """Whether the data is valid UTF-8."""
    if data.isascii():
        return True
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def count_lines(data: bytes) -> int:
    """Lines, the last one counted even without a line end."""
    return data.count(b"\n") + (bool(data) and not data.endswith(b"\n"))
