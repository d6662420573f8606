"""Letters and signs that look like those of a keyboard, but are others: where they may deceive.

The idea is that of Unicode Technical Standard 39, "Unicode Security Mechanisms": its confusables
and its detection of mixed scripts. Its table has thousands of entries; this one is short, as it is
for people who read code, and words that are plainly of another script are left alone.
"""

import re
import unicodedata
from functools import lru_cache


def _table(entries: str) -> dict[str, str]:
    """ "0430a 0435e" as a map of characters to what each looks like."""
    return {chr(int(entry[:4], 16)): entry[4:] for entry in entries.split()}


# These can stand for a Latin letter in any word, even if all others of it are of their kind.
_LETTERS = _table(
    # Cyrillic
    "0430a 0435e 043Eo 0440p 0441c 0443y 0445x 0456i 0458j 0455s 04BBh 0501d 051Bq 051Dw 04CFl "
    "0410A 0412B 0415E 041AK 041CM 041DH 041EO 0420P 0421C 0422T 0423Y 0425X 0406I 0408J 0405S "
    "050CG 051AQ 051CW 04AEY 04C0I "
    # Greek
    "03B1a 03B9i 03BDv 03BFo 03C1p 03C5u 03F2c 03F3j 0391A 0392B 0395E 0396Z 0397H 0399I 039AK "
    "039CM 039DN 039FO 03A1P 03A4T 03A5Y 03A7X 03F9C 037FJ "
    # Armenian
    "0570h 0578n 057Du 0581g 0585o 0566q 054DU 0555O 053CL 054FS "
    # Cherokee
    "13A0D 13A1R 13A2T 13A5i 13AAA 13ABJ 13ACE 13B3W 13B7M 13BBH 13BDY 13C0G 13C2h 13C3Z 13CE4 "
    "13D4W 13D9V 13DAS 13DEL 13DFC 13E2P 13E6K 13E7d 13F4B "
    # Lisu
    "A4D0B A4D1P A4D3D A4D4T A4D6G A4D7K A4D9J A4DAC A4DCZ A4DDF A4DFM A4E0N A4E1L A4E2S A4E3R "
    "A4E6V A4E7H A4EAW A4EBX A4ECY A4EEA A4F0E A4F2I A4F3O A4F4U "
    # Coptic
    "2C9Fo 2CA3p 2CA5c 2C9EO 2CA2P 2CA4C"
)
# These only among Latin letters: alone they do not pass for one.
_WEAK_LETTERS = _table(
    "0432B 0433r 043Ak 043CM 043DH 043Fn 0442T 044Cb 0417Z 03B3y 03B5e 03B7n 03BAk 03C3o 03C4t "
    "03C7x 03C9w 0561w 0563q 0584p 057Cn"
)
# These everywhere, as prose has no use for them: signs, and letters that stand for sounds.
_ALWAYS = _table(
    "0251a 0261g 01C0| 01C2= 01C3! 02F8: A789: A78C' A78F. 2024. FE52. 2236: FE55: 037E; FE54; "
    "2044/ 2215/ 29F8/ 2216\\ 29F5\\ FE68\\ 2217* FE61* 2223| 1FEF` FE66= FE6B@ 2768( 2769) "
    "2774{ 2775}"
)

# What follows a backslash is no part of the word after it: "\nword".
_WORD = re.compile(r"\\.|[\w$]+", re.DOTALL)
_BETWEEN_WORDS = re.compile(r"[ \t\n]{1,8}")
_ALWAYS_FOUND = re.compile(f"[{re.escape(''.join(_ALWAYS))}]")
_FULL_WIDTH = re.compile("[\uff01-\uff5e]+")


@lru_cache(maxsize=4096)
def looks_like(character: str) -> str:
    """The ASCII character that `character` looks like, or "" if it does not look like another."""
    for table in (_LETTERS, _WEAK_LETTERS, _ALWAYS):
        if character in table:
            return table[character]
    if character.isascii():
        return ""
    tag = unicodedata.decomposition(character).split(" ")[0]
    is_variant = tag in {"<font>", "<wide>"} or not tag.startswith("<")
    if is_variant or unicodedata.category(character) == "Nl":
        plain = unicodedata.normalize("NFKC", character)
        if len(plain) == 1 and "!" <= plain <= "~":
            return plain
    return ""


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    """ "LATIN", "CYRILLIC", "CJK", …: or "" of what is no letter, such as digits."""
    if not character.isalpha():
        return ""
    return "LATIN" if character.isascii() else unicodedata.name(character, "").split(" ")[0]


def look_alikes(text: str) -> set[int]:
    """The positions of characters that pass for others, where a reader would not expect them.

    In a word with Latin letters these are all look-alikes of other scripts; a word wholly of
    look-alikes is one, too, unless the words around it are plainly of its script.
    """
    if text.isascii():
        return set()
    found: set[int] = set()
    # Words wholly of look-alikes, and the scripts that the words around them are plainly of.
    doubtful: list[tuple[re.Match[str], set[str]]] = []
    plain: set[str] = set()
    end = 0
    for match in _WORD.finditer(text):
        word = match.group()
        if not (end and _BETWEEN_WORDS.fullmatch(text, end, match.start())):
            found.update(_deceiving(doubtful, plain))
            doubtful, plain = [], set()
        end = match.end()
        if word.isascii():
            continue
        scripts = {_script(character) for character in word} - {""}
        if "LATIN" in scripts:
            found.update(_positions(match))
        elif all(_passes_alone(character) for character in word):
            doubtful.append((match, scripts))
        else:
            plain |= scripts
    found.update(_deceiving(doubtful, plain))
    found.update(match.start() for match in _ALWAYS_FOUND.finditer(text))
    return found | _full_width_signs(text)


def _passes_alone(character: str) -> bool:
    if character.isascii():
        return True
    return character not in _WEAK_LETTERS and bool(looks_like(character))


def _deceiving(doubtful: list[tuple[re.Match[str], set[str]]], plain: set[str]) -> set[int]:
    return {at for word, scripts in doubtful if not scripts & plain for at in _positions(word)}


def _positions(word: re.Match[str]) -> list[int]:
    return [
        word.start() + offset
        for offset, character in enumerate(word.group())
        if looks_like(character)
    ]


def _full_width_signs(text: str) -> set[int]:
    """Full-width signs such as U+FF08 but beside Chinese, Japanese or Korean words."""
    found: set[int] = set()
    for match in _FULL_WIDTH.finditer(text):
        before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 1]
        if not any(unicodedata.east_asian_width(beside) == "W" for beside in before + after):
            found.update(
                match.start() + offset
                for offset, character in enumerate(match.group())
                if not character.isalpha()
            )
    return found
