"""Letters and signs that look like those of a keyboard, but are others: where they may deceive.

The idea is that of Unicode Technical Standard 39, "Unicode Security Mechanisms": its confusables
and its detection of mixed scripts. Its table has thousands of entries; this one is short, as it is
for people who read code, and words that are plainly of another script are left alone.
"""

import re
import unicodedata
from collections.abc import Container
from functools import lru_cache


def _table(entries: str) -> dict[str, str]:
    """ "0430a 1042Co" as a map of characters to what each looks like."""
    return {chr(int(entry[:-1], 16)): entry[-1] for entry in entries.split()}


# These can stand for a Latin letter in any word, even if all others of it are of their kind.
_LETTERS = _table(
    # Cyrillic
    "0430a 0435e 043Eo 0440p 0441c 0443y 0445x 0456i 0458j 0455s 04BBh 0501d 051Bq 051Dw 04CFl "
    "04BDe "
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
    "A4E6V A4E7H A4EAW A4EBX A4ECY A4EEA A4F0E A4F2I A4F3O A4F4U A4F8. A4F9, A4FA. A4FD: "
    # Coptic
    "2C9Fo 2CA3p 2CA5c 2C9EO 2CA2P 2CA4C "
    # Hebrew, NKo, and other living scripts
    "05E1o 07CAl 0B20O 0D20o 101Do 10FFo 12D0O 1200U 2D38V 2D39E 2D4FI 2D54O 2D5DX "
    # Canadian syllabics
    "1427. 142FV 144CU 146DP 148DJ 14AAL 1541x 157CH 1587R 15B4F 15C5A 15DED 15EAD 15F0M 15F7B "
    # Runes, Deseret, Osage
    "16B7X 16C1I 16D5K 16D6M 10404O 10415C 1041BL 10420S 1042Co 1043Dc 10448s "
    "104C2O 104CEU 104EAo 104F6u "
    # Lycian, Carian, Old Italic, Elbasan
    "10282B 10286E 10287F 1028AI 10290X 10292O 10295P 10296S 10297T 102A0A 102A1B 102A2C 102A5F "
    "102ABO 102B0M 102B1T 102B2Y 102B4X 102CFH 10301B 10302C 10309I 10311M 10315T 10317X 10322X "
    "10513N 10516O 10518K 1051CC 1051DV 10525F 10526L 10527X "
    # Warang Citi
    "118A0V 118A3L 118A4Y 118A6E 118A9Z 118AEE 118B2L 118B5O 118B8U 118BCT 118C0v 118C1s 118C3i "
    "118C4z 118C8o 118D7o 118D8u 118DCy 118E5Z 118E6W 118ECX 118EFW"
)
# Letters of the Latin script itself, and what stands among them.
_LATIN = _table(
    "0131i 017Fs 01BDs 0184b 0185b 0196l 0269i 028Bv A647i A731s "
    # Small capitals; a reader takes them for small letters.
    "1D00a 0299b 1D04c 1D05d 1D07e A730f 0262g 029Ch 026Ai 1D0Aj 1D0Bk 029Fl 1D0Dm 0274n 1D0Fo "
    "1D18p A7AFq 0280r 1D1Bt 1D1Cu 1D20v 1D21w 028Fy 1D22z "
    # Others
    "0237j 1D11o 1D1Eu 2C6DA AB32e AB47r AB48r AB4Eu AB52u AB5Ay 1E9Df 02D0:"
)
# These only among Latin letters: alone they do not pass for one.
_WEAK_LETTERS = _table(
    "0432B 0433r 043Ak 043CM 043DH 043Fn 0442T 044Cb 0417Z 03B3y 03B5e 03B7n 03BAk 03C3o 03C4t "
    "03C7x 03C9w 0561w 0563q 0584p 057Cn 05D5l 05DFl"
)
# These everywhere, as prose has no use for them: signs, and letters that stand for sounds.
_ALWAYS = _table(
    "0251a 0261g 01C0| 01C2= 01C3! 02F8: 0589: A789: A78C' A78F. 2024. 2025. FE52. 2236: FE55: "
    "037E; FE54; 2044/ 2215/ 29F8/ 2216\\ 29F5\\ FE68\\ 2217* FE61* 2223| 1FEF` FE66= FE6B@ "
    "2768( 2769) 2774{ 2775}"
)

# What follows a backslash is no part of the word after it: "\nword".
_WORD = re.compile(r"\\.|[\w$]+", re.DOTALL)
_BETWEEN_WORDS = re.compile(r"[ \t\n]{1,8}")
_ALWAYS_FOUND = re.compile(f"[{re.escape(''.join(_ALWAYS))}]")
# Signs of sentences, which are at home behind letters of their script.
_AT_HOME = re.compile("[\u0531-\u0587]\u0589")
# Words with such a letter are of a language in which dotless i is one, or say how a word sounds.
_TURKISH = re.compile("[\xe7\u011f\xf6\u015f\xfc\xc7\u011e\xd6\u015e\xdc\u0130]")
_SOUNDS = re.compile("[\u0250-\u02ff]")
# So many words in a row are no code, but a sentence.
_SENTENCE = 5
_FULL_WIDTH = re.compile("[\uff01-\uff5e]+")


@lru_cache(maxsize=4096)
def looks_like(character: str) -> str:
    """The ASCII character that `character` looks like, or "" if it does not look like another."""
    for table in _TABLES:
        if character in table:
            return table[character]
    if character.isascii():
        return ""
    if unicodedata.category(character) == "Nd":
        return str(unicodedata.digit(character))
    tag = unicodedata.decomposition(character).split(" ")[0]
    is_variant = tag in {"<font>", "<wide>"} or not tag.startswith("<")
    if is_variant or unicodedata.category(character) == "Nl":
        plain = unicodedata.normalize("NFKC", character)
        if len(plain) == 1 and "!" <= plain <= "~":
            return plain
        return next((table[plain] for table in _TABLES if plain in table), "")
    return ""


_TABLES = (_LETTERS, _WEAK_LETTERS, _LATIN, _ALWAYS)


@lru_cache(maxsize=4096)
def _script(character: str) -> str:
    """ "LATIN", "CYRILLIC", "CJK", …: or "" of what is neither letter nor foreign digit."""
    if unicodedata.category(character) == "Nd":
        words = unicodedata.name(character, "").removeprefix("EXTENDED ").split("-")[0]
        return "" if character.isascii() else words.split(" ")[0]
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
    row: list[re.Match[str]] = []
    for match in _WORD.finditer(text):
        if row and not _BETWEEN_WORDS.fullmatch(text, row[-1].end(), match.start()):
            found |= _in_row(row)
            row = []
        row.append(match)
    found |= _in_row(row)
    found.update(match.start() for match in _ALWAYS_FOUND.finditer(text))
    found.difference_update(match.start() + 1 for match in _AT_HOME.finditer(text))
    return found | _full_width_signs(text)


def _in_row(row: list[re.Match[str]]) -> set[int]:
    """The positions in words with nothing but blanks between them."""
    found: set[int] = set()
    # Words wholly of look-alikes, and the scripts that the words around them are plainly of.
    doubtful: list[tuple[re.Match[str], set[str]]] = []
    plain: set[str] = set()
    is_turkish: bool | None = None
    for match in row:
        word = match.group()
        if word.isascii():
            continue
        scripts = {_script(character) for character in word} - {""}
        if "LATIN" in scripts:
            if is_turkish is None:
                is_turkish = len(row) >= _SENTENCE and any(
                    _TURKISH.search(other.group()) for other in row
                )
            found.update(_positions(match, _usual(word, is_turkish=is_turkish)))
        elif all(_passes_alone(character) for character in word):
            doubtful.append((match, scripts))
        else:
            plain |= scripts
    for match, scripts in doubtful:
        if not scripts & plain:
            found.update(_positions(match))
    return found


def _usual(word: str, *, is_turkish: bool) -> Container[str]:
    """The Latin letters that a reader expects in such a word."""
    if any(
        character not in _LATIN and character not in _ALWAYS for character in _SOUNDS.findall(word)
    ):
        return _SOUND_LETTERS
    return _DOTLESS if is_turkish or _TURKISH.search(word) else ()


_DOTLESS = "\u0131"
_SOUND_LETTERS = frozenset(filter(_SOUNDS.match, _LATIN))


def _passes_alone(character: str) -> bool:
    if character.isascii():
        return True
    return character not in _WEAK_LETTERS and bool(looks_like(character))


def _positions(word: re.Match[str], usual: Container[str] = ()) -> list[int]:
    return [
        word.start() + offset
        for offset, character in enumerate(word.group())
        if character not in usual and looks_like(character)
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
