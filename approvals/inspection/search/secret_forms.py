"""What secrets look like, whether one is likely real, and how to speak of one without telling it.

The forms are those that their issuers document, or that every secret scanner knows. Nothing is ever
asked of an issuer: whether a secret still opens something, nobody here can say.
"""

import math
import re
import zlib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

SHOWN = 4
"""Characters of a secret that may be shown: they say of what form it is."""
_DIGITS = "0123456789"
_UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER = _UPPER.lower()
_ALPHABETS = (_DIGITS + _UPPER + _LOWER, _DIGITS + _LOWER + _UPPER)
_CHECKSUM = 6
_LEAST_BITS = 3.0
"""Per character. 32 random hexadecimal digits have about 3.6 of them, words and counting less."""
_MOST_OF_ONE = 0.3
_LONG = 30
_FEW_CAPITALS = 0.3
_WORDS = re.compile(
    r"example|sample|placeholder|change_?me|your[_-]|dummy|redacted|removed|foobar|insert|replace"
    r"|x{5}|\*{3}|\.{3}|…|<|>|\$\{|\{\{|0{6}|1{6}|a{6}|12345678|87654321|abcdefgh|abcd1234|deadbeef"
    r"|process\.env|not[_-]?a[_-]?real|fake|mock|lorem",
    re.IGNORECASE,
)
# What an emulator on the developer's own machine has as its key, the same for everybody.
_KNOWN_TO_ALL = frozenset({"0011cc25eb4320717494d2703e8cba85743e71b500283c21c8b88147992f9059"})


def has_checksum(token: str) -> bool:
    """Whether a token ends in the checksum of what is before it, as GitHub's and npm's do."""
    body = token.rpartition("_")[2]
    start, end = body[:-_CHECKSUM], body[-_CHECKSUM:]
    number = zlib.crc32(start.encode())
    return any(_base62(number, alphabet) == end for alphabet in _ALPHABETS)


def digest(secret: str) -> str:
    """What stands for a secret that is too long and random to be guessed: SHA-256 in hex."""
    return sha256(secret.encode()).hexdigest()


def mask(secret: str) -> str:
    """The most of a secret that anybody is shown."""
    return f"{secret[:SHOWN]}…"


def looks_random(value: str) -> bool:
    """Whether a value is as mixed as what a machine makes up, and no example."""
    if _WORDS.search(value):
        return False
    counts = Counter(value)
    if not value or max(counts.values()) / len(value) > _MOST_OF_ONE:
        return False
    if value.isalpha() and (value.islower() or value.isupper()):
        return False
    return _bits(counts, len(value)) >= min(_LEAST_BITS, math.log2(len(value)) - 0.7)


@dataclass(frozen=True)
class Form:
    """One form of secret. `pattern` is for the search and for Python alike; the secret is what
    `part` finds in the match, by default all of it."""

    name: str
    pattern: str
    part: str = ""
    is_right: Callable[[str], bool] | None = None
    is_often_public: bool = False

    @cached_property
    def _expression(self) -> re.Pattern[str]:
        return re.compile(self.pattern)

    def match(self, text: str) -> str:
        """The secret at the beginning of this text, "" if there is none."""
        found = self._expression.match(text)
        if found is None:
            return ""
        if not self.part:
            return found[0]
        secret = re.search(self.part, found[0])
        return secret[0] if secret else ""


def _base62(number: int, alphabet: str) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 62)
        digits = alphabet[digit] + digits
    return digits.rjust(_CHECKSUM, alphabet[0])


def _bits(counts: Counter[str], length: int) -> float:
    return -sum(count / length * math.log2(count / length) for count in counts.values())


def is_known_to_all(secret: str) -> bool:
    """Whether it is a key that a manual prints for everybody to use."""
    return digest(secret) in _KNOWN_TO_ALL


FORMS = (
    Form("an npm access token", r"npm_[A-Za-z0-9]{36}", is_right=has_checksum),
    Form("a GitHub token", r"gh[pousr]_[A-Za-z0-9]{36}", is_right=has_checksum),
    Form("a GitHub token", r"github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    Form("a GitLab token", r"gl(pat|ptt|dt|rt|cbt|soat|ft|imt|agent)-[A-Za-z0-9_-]{20,64}"),
    Form("an AWS access key", r"(AKIA|ASIA)[A-Z2-7]{16}"),
    Form("a Slack token", r"xox[abeoprs]-[0-9A-Za-z]{1,14}-[0-9A-Za-z-]{16,200}"),
    Form("a Slack token", r"xapp-[0-9]-[A-Z0-9]{8,14}-[0-9]{8,16}-[0-9a-f]{32,80}"),
    Form(
        "the address of a Slack webhook",
        r"hooks\.slack\.com\/(services|workflows)\/[TA-Z0-9]{8,14}\/[A-Z0-9]{8,14}\/[A-Za-z0-9]{18,32}",
        part=r"[A-Za-z0-9]+\Z",
    ),
    Form(
        "the address of a Discord webhook",
        r"discord(app)?\.com\/api\/webhooks\/[0-9]{17,20}\/[A-Za-z0-9_-]{60,80}",
        part=r"[A-Za-z0-9_-]+\Z",
    ),
    Form("a Telegram bot's token", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
    Form("a Stripe key", r"(sk|rk)_live_[A-Za-z0-9]{20,120}"),
    Form("a Google API key", r"AIza[0-9A-Za-z_-]{35}", is_often_public=True),
    Form("a Google client secret", r"GOCSPX-[A-Za-z0-9_-]{28}"),
    Form("an Azure storage key", r"AccountKey=[A-Za-z0-9+\/]{86}==", part=r"[A-Za-z0-9+/]{86}==\Z"),
    Form(
        "a Twilio token",
        r"[Tt][Ww][Ii][Ll][Ii][Oo][A-Za-z_]{0,30}['\"]?[\t ]{0,4}[:=]{1,2}[\t ]{0,4}['\"]?"
        r"(SK|AC)?[0-9a-f]{32}",
        part=r"(SK|AC)?[0-9a-f]{32}\Z",
    ),
    Form("a SendGrid key", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    Form("a PyPI token", r"pypi-AgE[A-Za-z0-9_-]{60,300}"),
    Form("a RubyGems key", r"rubygems_[0-9a-f]{48}"),
    Form("an Anthropic key", r"sk-ant-[a-z0-9]{3,8}-[A-Za-z0-9_-]{80,120}"),
    Form(
        "an OpenAI key",
        r"sk-(proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,90}T3BlbkFJ[A-Za-z0-9_-]{20,90}",
    ),
    Form("a Hugging Face token", r"hf_[A-Za-z0-9]{34,40}"),
    Form("a DigitalOcean token", r"do[opr]_v1_[0-9a-f]{64}"),
    Form("a Shopify token", r"shp(at|ca|pa|ss)_[0-9a-fA-F]{32}"),
    Form("a Vault token", r"hv[sb]\.[A-Za-z0-9_-]{24,160}"),
    Form("a Docker Hub token", r"dckr_(pat|oat)_[A-Za-z0-9_-]{27,40}"),
    Form("a Grafana token", r"glsa_[A-Za-z0-9]{32}_[0-9a-f]{8}"),
    Form("a Linear key", r"lin_api_[A-Za-z0-9]{40}"),
    Form("a Databricks token", r"dapi[0-9a-f]{32}"),
    Form("a Doppler token", r"dp\.(pt|st|sa|ct)\.[A-Za-z0-9]{40,60}"),
    Form("a secret key of age", r"AGE-SECRET-KEY-1[0-9A-Z]{58}"),
    Form(
        "an npm access token",
        r":_authToken[\t ]{0,4}=[\t ]{0,4}\"?[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}",
        part=r"[0-9a-f-]{36}\Z",
    ),
)
_CANDIDATE = re.compile(
    r"(npm_|gh[pousr]_|github_pat_|gl(?:pat|ptt|dt|rt|cbt|soat|ft|imt|agent)-|A[KS]IA|xox[abeoprs]-"
    r"|xapp-|hooks\.slack\.com/services/|/api/webhooks/|:AA|[sr]k_live_|AIza|GOCSPX-|AccountKey="
    r"|SG\.|pypi-|rubygems_|sk-|hf_|do[opr]_v1_|shp(?:at|ca|pa|ss)_|hv[sb]\.|dckr_|glsa_"
    r"|lin_api_|dapi|dp\.(?:pt|st|sa|ct)\.|AGE-SECRET-KEY-|_authToken\s{0,4}=\s{0,4}\"?"
    r"|_(?:auth|password)\s{0,4}=\s{0,4}\"?"
    r"|(?i:\b(?:bearer|basic)\s{1,4})"
    r"|(?i:secret|passw(?:or)?d|token|api_?key)[A-Za-z_]{0,30}[\"']?\s{0,4}[:=]\s{0,4}[\"'`]?)"
    r"([A-Za-z0-9_.+/=~-]{12,})"
)
_KEY = re.compile(r"(-----BEGIN [A-Z ]{0,30}PRIVATE KEY[A-Z ]{0,10}-----).{8,}", re.DOTALL)
_IN_ADDRESS = re.compile(r"(://[^\s/:@'\"`]{1,60}:)[^\s/@'\"`]{3,100}(?=@)")


_CUT = re.compile(r"\A(…)([A-Za-z0-9_+/=-]{12,})")


def masked(text: str) -> str:
    """The text without what looks like a secret in it, whole or cut off at either end."""
    text = _CUT.sub(_mask_candidate, text)
    text = _KEY.sub(r"\1…", text)
    text = _IN_ADDRESS.sub(r"\1…", text)
    return _CANDIDATE.sub(_mask_candidate, text)


def _mask_candidate(found: re.Match[str]) -> str:
    prefix, rest = found[1], found[2]
    return f"{prefix}…" if looks_random(rest) and _is_mixed(rest) else found[0]


def _is_mixed(value: str) -> bool:
    """Names in code have letters alone, few of them capital, or digits at their end."""
    if any(char.isdigit() for char in value.rstrip(_DIGITS)):
        return True
    capitals = sum(map(str.isupper, value)) / len(value)
    return len(value) >= _LONG and _FEW_CAPITALS <= capitals <= 1 - _FEW_CAPITALS
