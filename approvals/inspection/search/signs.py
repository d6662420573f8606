"""The signs of what code can do that more than one rule judges by."""

import re

from approvals.inspection.search import syntax
from approvals.inspection.search.look import Use
from approvals.inspection.search.needles import needles
from approvals.inspection.search.sign import (
    Sign,
    is_called,
    is_code,
    is_global_call,
    is_in_text,
    is_loaded,
    is_script,
    joined,
    leaf,
    line_of,
    module_needles,
    text_around,
)

# Starting other programs ------------------------------------------------------------------------

_OF_SCRIPTS = ("subprocess.", "os.system(", "os.popen(")
_BUN = ("Bun.spawn", "Deno.Command", "Deno.run", "spawn_sync")


def _starts(use: Use) -> bool:
    if not is_code(use.file):
        return use.needle in _OF_SCRIPTS
    if use.needle in _OF_SCRIPTS:
        return False
    if use.needle == "spawn_sync":
        return is_in_text(use)
    if use.needle in _BUN:
        return use.node is None or syntax.is_called(leaf(use))
    return is_loaded(use)


PROGRAMS = Sign(
    joined(
        module_needles("child_process", "execa", "cross-spawn", "shelljs", "zx"),
        needles(*_BUN, *_OF_SCRIPTS),
    ),
    _starts,
)

# The network ------------------------------------------------------------------------------------

_CLIENTS = (
    *("http", "https", "http2", "axios", "got", "node-fetch", "undici", "request", "superagent"),
    *("ws", "phin", "cross-fetch", "ky", "needle", "follow-redirects"),
)
_SCRIPT_CLIENTS = re.compile(
    r"\b(curl|wget|urllib|requests\.(get|post)|Invoke-WebRequest|DownloadFile|DownloadString)\b",
    re.IGNORECASE,
)
_CURL = needles(patterns=(r"\b(curl|wget) ",))
_CALLS = needles(
    patterns=(
        r"\bfetch\s*\(",
        r"\bXMLHttpRequest\b",
        r"\bWebSocket\s*\(",
        r"\bEventSource\s*\(",
        r"\bsendBeacon\b",
        r"['\"]fetch['\"]\s*\]",
        # Under another name, or called in another manner.
        r"\bfetch\s*(\?\.\s*\(|\.\s*(call|apply|bind)\s*\()",
        r"\b(globalThis|global|window|self)\s*\??\.\s*fetch\s*[;,)\n|]",
        r"=\s*fetch\s*[;,)\n]",
        r"\bfetch\s*(:\s*[A-Za-z_$]{1,30}\s*)?\}\s*=\s*(globalThis|global|window|self)\b",
        r"\bReflect\s*\.\s*apply\s*\(\s*fetch\b",
    )
)
_SCRIPTED = needles("urllib", "Invoke-WebRequest", "DownloadFile", "DownloadString", "requests.p")


def _connects(use: Use) -> bool:  # noqa: PLR0911 - one a kind of needle
    if not is_code(use.file):
        return is_script(use.file) and bool(_SCRIPT_CLIENTS.search(use.around(2, 12)))
    found = use.needle
    if found in _SCRIPTED.texts:
        return False
    if found.startswith(("curl", "wget")):
        return is_in_text(use) and _is_command(use)
    if found.endswith("]"):
        return True
    if _OTHER_FETCH.search(found):
        return not syntax.is_text(leaf(use))
    if found.startswith("fetch"):
        return is_global_call(use)
    if found[:2] in ("XM", "We", "Ev", "se"):
        return is_called(use)
    return is_loaded(use)


_OTHER_FETCH = re.compile(r"fetch\s*[^\s(]|fetch$")
_SAYS = re.compile(r"(console\.\w+|[Ee]rror|log|warn|info|debug|describe|print\w*|write\w*)$")


def _is_command(use: Use) -> bool:
    """Whether a text is what a shell gets, and not what a person reads."""
    call = syntax.call_around(use.node)
    if call is not None and _SAYS.search(syntax.callee_of(call)[-60:]):
        return False
    text = text_around(use)
    return text is None or bool(re.search(r"\b(curl|wget)\s+(-|[\"'$]|https?:)", text))


NETWORK = Sign(joined(module_needles(*_CLIENTS), _CALLS, _CURL, _SCRIPTED), _connects)

SOCKETS = Sign(
    module_needles("net", "tls", "dgram", "dns", "dns/promises"),
    is_loaded,
)

_RESOLVES = re.compile(r"(resolve(4|6|Txt|Any|Cname)?|lookup)\s*\(")


def _sends(use: Use) -> bool:
    """A call that sends: of a known client, or of anything where the file has one."""
    if not is_code(use.file):
        return _connects(use)
    found = use.needle
    if not found.startswith((".", "createC", "request")):
        return _connects(use)
    if use.node is None:
        return True
    if found.startswith(("createC", "request")) and not is_called(use):
        return False
    if _RESOLVES.search(found):
        return not _resolves_paths(use) and is_in_file(_NAMES, use)
    return found.startswith("createC") or is_in_file(_MODULES, use)


_NAMES = re.compile(rb"dns")


def is_in_file(pattern: re.Pattern[bytes], use: Use) -> bool:
    """Whether it is anywhere in the file of a use: searched once, however many uses there are."""
    judged, key = use.look.judged, (pattern, use.file)
    if key not in judged:
        judged[key] = [use] if pattern.search(use.file.content or b"") else []
    return bool(judged[key])


# `path.resolve`, also as bundlers name it: `path$n`, `import_path.default`.
_OF_PATHS = re.compile(
    r"(path(\d|\$\w{1,3})?(\.default|\.posix|\.win32)?|[Pp]romise|require|\bthis)$"
)


def _resolves_paths(use: Use) -> bool:
    return bool(_OF_PATHS.search(use.around(40, 0)[: -len(use.needle)]))


_MODULES = re.compile(rb"[\"'`](node:)?(https?|http2|axios|got|undici|request|net|tls)[\"'`]")


SENDS = Sign(
    joined(
        _CALLS,
        _CURL,
        _SCRIPTED,
        needles(
            "createConnection(",
            patterns=(
                r"\brequest\s*\(",
                r"\.post\s*\(",
                r"\.put\s*\(",
                r"\.get\s*\(\s*[\"'`]https?:",
                r"https?['\"]?\)?\.get\s*\(",
                r"\baxios(\.[a-z]{3,7})?\s*\(",
                r"\.(resolve|resolve4|resolve6|resolveTxt|lookup)\s*\(",
            ),
        ),
    ),
    lambda use: (
        _sends(use) if not use.needle.startswith(("http", "axios")) else is_called_loosely(use)
    ),
)


def is_called_loosely(use: Use) -> bool:
    return use.node is None or not syntax.is_text(leaf(use)) or use.needle.endswith("(")


# Code made of text ------------------------------------------------------------------------------

_VM = re.compile(r"(runIn(This|New)?Context|compileFunction|new\s+\w*\.?Script)\b")


def _evaluates(use: Use) -> bool:  # noqa: PLR0911 - one a kind of needle
    if not is_code(use.file):
        return False
    found = use.needle
    if _AS_VALUE.search(found):
        return not syntax.is_text(leaf(use))
    if found.startswith("eval") and found[-1] != "(":
        return "Worker" in use.around(600, 600)
    if found.startswith("eval"):
        return is_global_call(use) and not _is_plain_import(use)
    if found.startswith("Function"):
        return is_global_call(use) and not (_is_this(use) or _THROWS.match(use.around(0, 60)))
    if found.startswith("runIn") or found.startswith("_compile"):
        return is_called(use)
    if found.startswith("setT"):
        return is_global_call(use)
    if found.startswith(".constructor"):
        return True
    return is_loaded(use)


# `.then(eval)`, `Reflect.construct(Function, …)`, `[]["filter"]["constructor"](…)`
_AS_VALUE = re.compile(r"^(\.(?!constructor)|\[|Reflect)|eval\s*\?\.")
# With which code finds out how a stack is written.
_THROWS = re.compile(r"Function\s*\(\s*([\"'])throw new Error\([0-9]{0,3}\)\1\s*\)")


def _is_this(use: Use) -> bool:
    """`Function("return this")()`, with which old code finds what is global."""
    return bool(re.match(r"Function\s*\(\s*[\"']return this", use.around(0, 40)))


def _is_plain_import(use: Use) -> bool:
    return bool(_PLAIN.match(use.around(0, 160)))


_PLAIN = re.compile(
    r"eval\s*\)?\s*\(\s*[\"'`](require(\([^()]{0,80}\))?|this|typeof [\w$.]{1,40}|0)[\"'`]\s*\)"
)


EVALUATES = Sign(
    joined(
        module_needles("vm"),
        needles(
            patterns=(
                r"\beval\s*\)?\s*\(",
                r"\bFunction\s*\(",
                r"\brunIn(This|New)?Context\s*\(",
                r"\b_compile\s*\(",
                r"\bsetTimeout\s*\(\s*[\"'`]",
                r"\.constructor\)?\s*\(\s*[A-Za-z_$\"'`]{1,40}[^;]{0,20}\)\s*\(",
                r"\beval\s*\?\.\s*\(",
                r"\.(then|map|forEach|on|once)\s*\(\s*([\"'`]\w{1,20}[\"'`]\s*,\s*)?(eval|Function)\s*[,)]",
                r"\bReflect\s*\.\s*(construct|apply)\s*\(\s*(eval|Function)\b",
                r"\[\s*[\"'`]constructor[\"'`]\s*\]\s*(\?\.)?\s*\(",
                r"\beval\s*:\s*(true\b|!0|1\b)",
            )
        ),
    ),
    _evaluates,
)

# What is secret ---------------------------------------------------------------------------------

_FILES = (
    *(".npmrc", ".aws", ".ssh", "id_rsa", "id_ed25519", "id_ecdsa", ".git-credentials", ".netrc"),
    *(".docker/config.json", ".kube", "application_default_credentials", ".config/gcloud"),
    *(".pypirc", ".vault-token", ".gnupg", "wallet.dat", ".electrum", ".ethereum", ".bitcoin"),
    *(".config/solana", "Local Extension Settings", "nkbihfbeogaeaoehlefnkodbefgpgknn"),
    *("Login Data", "logins.json", "key4.db", "find-generic-password", "login.keychain"),
    *(".bash_history", ".zsh_history", "/etc/shadow", ".terraform.d", "Exodus", "keystore"),
    *("leveldb", "User Data", "Local Storage"),
    *(".config/gh/hosts.yml", ".yarnrc.yml", ".azure", "/.env", "/etc/passwd"),
)
_SPLIT = (
    r"\.(npm?r?|ss|aw|kub?)[\"'`]\s*\+\s*[\"'`]",
    r"[\"'`]npmrc[\"'`]",
    r"\+\s*[\"'`]p?mrc[\"'`]",
    r"\bid_?[\"'`]\s*\+\s*[\"'`]_?(rsa|ed25519|ecdsa)\b",
)
"""Names of such files in two pieces."""
_BY_NPM = ("npm_config_userconfig", "npm_config_globalconfig")
_ASKED = (
    *("npm config get //", "gh auth token", "gcloud auth print-access-token", "aws configure get"),
    *("npm config list", "npm token list", "op item get", "pass show"),
)
"""Commands that answer with what is in such files."""
_READS = re.compile(
    rb"readFile|createReadStream|readdir|copyFile|openSync|cat |\bread\(|open\(|existsSync|glob|"
    rb"sqlite|tar |zip |\.file\(|find-generic|scp |type "
)


def _reads_credentials(use: Use) -> bool:
    if use.needle in _BY_NPM:
        return bool(_READS.search(use.around(600, 600).encode()))
    if not is_in_text(use) and not _is_in_regex(use):
        return False
    if use.needle in _ASKED:
        text = text_around(use)
        return text is None or text.startswith(use.needle)
    content = use.file.content or b""
    around = content[max(0, use.match.start - 6_000) : use.match.end + 6_000]
    if not _READS.search(around):
        return False
    before = use.around(1, 0)[:1]
    after = use.around(0, 1)[-1:]
    if before.isalnum() or after.isalnum() or after in "-":
        return False
    text = text_around(use)
    return text is None or " " not in _SPACED.sub("", text) or _is_shell(text)


def _is_in_regex(use: Use) -> bool:
    node = use.node
    return node is not None and node.type in ("regex", "regex_pattern")


_SPACED = re.compile(r"User Data|Login Data|Local Storage|Local Extension Settings|Local State")


def _is_shell(text: str) -> bool:
    return bool(re.match(r"\s*(cat|cp|tar|zip|curl|scp|grep|find|type|security|ls|base64)\b", text))


_SPELLED = re.compile(r"[\"'`\w./]+[\"'`]\s*\+|[\"'`+]")
CREDENTIALS = Sign(
    needles(*_FILES, *_ASKED, *_BY_NPM, patterns=_SPLIT),
    lambda use: _reads_credentials(use) if not _SPELLED.match(use.needle) else _is_split(use),
)


def _is_split(use: Use) -> bool:
    content = use.file.content or b""
    around = content[max(0, use.match.start - 6_000) : use.match.end + 6_000]
    return bool(_READS.search(around)) and use.node is not None


_READS_FOLDER = re.compile(
    r"\b(readFile|readdir|createReadStream|opendir|copyFile|cp|openAsBlob|open)(Sync)?\s*\("
)


def _reads_home(use: Use) -> bool:
    """Whether a file or folder right below the home is read, whatever its name is."""
    return not syntax.is_text(leaf(use)) and bool(_READS_FOLDER.search(use.around(200, 400)))


HOME = Sign(
    needles(
        patterns=(
            r"\bhomedir\s*(\?\.)?\s*\(",
            r"\benv\s*\.\s*(HOME|USERPROFILE|HOMEPATH)\b",
            r"\benv\s*\[\s*[\"'`](HOME|USERPROFILE|HOMEPATH)",
        )
    ),
    _reads_home,
)

_SWEEPS = re.compile(
    r"(Object\s*\.\s*(keys|entries|values|getOwnPropertyNames|assign)|JSON\s*\.\s*stringify"
    r"|Reflect\s*\.\s*ownKeys|structuredClone|inspect|\bstringify|URLSearchParams|fromEntries)"
    r"\s*\(\s*(\{\s*\},?\s*)?(\.\.\.)?$"
)
_ALIAS = re.compile(
    r"\b([A-Za-z_$][\w$]*)\s*=\s*[\w$.]{0,30}(\.env|\[\s*['\"]env['\"]\s*\])\s*[;,\n)]"
    r"|\benv(?:\s*:\s*([\w$]+))?[^}\n]{0,30}\}\s*=\s*process\b"
)
_ALIAS_OF_MODULE = re.compile(
    r"\benv(?:\s*(?:as|:)\s*([\w$]+))?[^}\n]{0,60}\}\s*(?:from\b|=[^;\n]{0,20}\()"
)
_PROCESS = r"['\"`](node:)?process['\"`]"
_OTHER_PROCESSES = (
    r"=\s*((globalThis|global)\s*\.\s*)?process\s*[;,)\n]",
    rf"=\s*(require|await import)\s*\(\s*{_PROCESS}",
    rf"\bimport\s+(\*\s*as\s+)?[A-Za-z_$]{{1,30}}\s+from\s*{_PROCESS}",
)
"""Where `process` gets another name."""
_SPAWNS = re.compile(r"(spawn|exec|fork|run|execa)\w*$", re.IGNORECASE)


# `Object.keys(process.env).filter(key => /^debug_/i.test(key))`, which `debug` has everywhere.
_OF_ONE_PREFIX = re.compile(
    r"\s*\)\s*\.filter\(\s*(?:\(?[\w$]{1,20}\)?\s*=>|function\s*\([\w$]{1,20}\)\s*\{\s*return)"
    r"\s*/\^(?!npm|aws|git|gh|token|secret|ci_|action|vault|azure|google)[a-z]{3,20}_/i?\s*\.test\(",
    re.IGNORECASE,
)
_COPIES = re.compile(r"(\.\.\.|\bassign\s*\(\s*\{\s*\},)\s*$")
_HANDS_ON = re.compile(r"(stringify|fetch|request|post|put|send\w*|write|end|encode\w*|from|push)$")


def is_copy(use: Use) -> bool:
    """Whether all variables are only copied, as for a program that is to get them, and not handed
    on where they are copied."""
    if not _COPIES.search(use.around(60, 0)[: -len(use.needle)]):
        return False
    call = syntax.call_around(use.node)
    while call is not None:
        if _HANDS_ON.search(syntax.callee_of(call)[-60:]):
            return False
        call = syntax.call_around(call.parent)
    return True


def _sweeps(use: Use) -> bool:  # noqa: PLR0911 - one a form
    if not is_code(use.file):
        return is_script(use.file) and "environ" in use.needle
    if "environ" in use.needle:
        return False
    if re.match(r"process\s*,", use.needle):
        # `Reflect.get(process, "env")`, which nobody writes who does not hide it.
        return True
    if use.needle[0] in "=i" or _ALIAS_OF_MODULE.match(use.needle):
        return _is_swept_module(use)
    if re.match(r"\s*[.\[?]", use.around(0, 3)[len(use.needle) :]):
        return False
    before = use.around(60, 0)[: -len(use.needle)].rstrip()
    before = re.sub(r"(global(This)?\.?|\(0,|\[['\"])$", "", before).rstrip()
    if _SWEEPS.search(before) or re.search(r"\bin$", before):
        return not _OF_ONE_PREFIX.match(use.around(0, 80)[len(use.needle) :])
    if before.endswith("..."):
        return not _is_given_to_program(use)
    return _is_swept_later(use)


def _is_given_to_program(use: Use) -> bool:
    """`spawn(…, { env: { ...process.env } })`"""
    if re.search(r"\benv\s*[:=]\s*\{[^{}]{0,100}$", use.around(140, 0)[: -len(use.needle)]):
        return True
    call = syntax.call_around(use.node)
    return call is not None and bool(_SPAWNS.search(syntax.callee_of(call)[-60:]))


def _is_swept_later(use: Use) -> bool:
    """`const e = process.env; … JSON.stringify(e)`"""
    found = _ALIAS.search(use.around(60, 3))
    if found is None:
        call = syntax.call_around(use.node)
        return call is not None and syntax.callee_of(call).endswith("JSON.stringify")
    name = re.escape(found[1] or found[3] or "env")
    return bool(
        re.search(
            rf"Object\W{{1,4}}(keys|entries|values)\W{{0,3}}\(\s*{name}\s*[,)]"
            rf"|stringify\W{{0,3}}\(\s*{name}\s*[,)]|\b(const|let|var)\s+[\w$]+\s+in {name}\)",
            use.around(0, 3_000),
        )
    )


def _is_swept_module(use: Use) -> bool:
    """`import { env as e } from "process"; … stringify(e)`, `const p = process; … keys(p.env)`"""
    found = _ALIAS_OF_MODULE.match(use.needle)
    if found is not None:
        name = re.escape(found[1] or "env")
    else:
        before = use.around(60, 0)
        alias = re.search(r"([A-Za-z_$][\w$]*)\s*=[^=\n]{0,60}$|\b([\w$]+)\s+from[^\n]*$", before)
        named = alias and (alias[1] or alias[2])
        if not named or named == "process":
            return False
        name = rf"{re.escape(named)}\s*(?:\?\.|\.)\s*env"
    return bool(
        re.search(
            rf"(?:Object\s*\.\s*(?:keys|entries|values|assign|getOwnPropertyNames)"
            rf"|stringify|URLSearchParams|ownKeys|inspect|fromEntries)"
            rf"\W{{0,3}}\(\s*(?:\{{\s*\}},\s*)?(?:\{{?\s*\.\.\.)?{name}\s*[,)}}]"
            rf"|\bin\s+{name}\s*\)",
            use.around(0, 10_000),
        )
    )


ENVIRONMENT = Sign(
    needles(
        "os.environ",
        patterns=(
            r"\bprocess\s{0,40}(\?\s?)?\.\s{0,40}env\b",
            r"\bprocess\s*,\s*['\"`]env['\"`]",
            rf"\benv(\s*as\s*[A-Za-z_$]{{1,30}})?[^}}\n]{{0,60}}\}}\s*from\s*{_PROCESS}",
            rf"\benv(\s*:\s*[A-Za-z_$]{{1,30}})?[^}}\n]{{0,60}}\}}\s*=[^;\n]{{0,20}}\(\s*{_PROCESS}",
            *_OTHER_PROCESSES,
            r"\[\s*['\"`]env['\"`]\s*\]",
            r"\benv(\s*:\s*[A-Za-z_$]{1,30})?[^}\n]{0,30}\}\s*=\s*process\b",
        ),
    ),
    _sweeps,
)

_TOKENS = (
    *("GITHUB_TOKEN", "GH_TOKEN", "NPM_TOKEN", "NODE_AUTH_TOKEN", "NPM_AUTH_TOKEN"),
    *("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_RUNTIME_TOKEN"),
    *("CI_JOB_TOKEN", "GITLAB_TOKEN", "CIRCLE_TOKEN", "AWS_SECRET_ACCESS_KEY"),
    *("AWS_SESSION_TOKEN", "AZURE_CLIENT_SECRET", "GOOGLE_APPLICATION_CREDENTIALS"),
    *("VAULT_TOKEN", "DOCKER_PASSWORD", "CLOUDFLARE_API_TOKEN", "SONAR_TOKEN"),
)


def _reads_token(use: Use) -> bool:
    if re.search(r"[\w]$", use.around(1, 0)[: -len(use.needle)]) or re.match(
        r"\w", use.around(0, 1)[len(use.needle) :]
    ):
        return False
    if use.node is None:
        return True
    text = text_around(use)
    return text is None or " " not in text.strip()


TOKENS = Sign(needles(*_TOKENS), _reads_token)

METADATA = Sign(
    needles(
        *("169.254.169.254", "metadata.google.internal", "100.100.100.200", "169.254.170.2"),
        *("fd00:ec2::254", "0xa9fea9fe", "0xA9FEA9FE", "2852039166"),
    ),
    lambda use: is_in_text(use) or use.needle[:2] in ("0x", "28"),
)

MEMORY = Sign(
    needles("/proc/"),
    lambda use: (
        bool(re.search(r"/(mem|environ|maps)\b", use.around(0, 60)))
        or (is_in_text(use) and bool(re.search(r"['\"`/](mem|environ)['\"`]", line_of(use))))
    ),
)

# What tells one day, place or machine from another ----------------------------------------------

_DAY = r"([0-9]{10,13}|new Date\(\s*[\"'0-9]|Date\.(UTC|parse)\()"
_PATTERNS_OF_DATES = (
    rf"Date\.now\(\)\s*[<>]=?\s*{_DAY}",
    r"new Date(\(\))?\s*[<>]=?\s*new Date\(\s*[\"'0-9]",
    rf"\.getTime\(\)\s*[<>]=?\s*{_DAY}",
    r"getFullYear\(\)\s*([<>]=?|[!=]==?)\s*20[0-9]{2}",
)
_PATTERNS_OF_PLACES = (
    r"getTimezoneOffset\(\)\s*[!=<>]",
    r"\.timeZone\b[^;\n]{0,40}([!=]==?|includes\(|startsWith\(|match\(|test\()",
    r"\btest\([^;\n]{0,40}\.timeZone\b",
    r"hostname\(\)\s*([!=]==?|\.includes\(|\.startsWith\(|\.match\()",
    r"userInfo\(\)\.username\s*([!=]==?|\.includes\()",
    r"process\.env\.(LANG|LC_ALL|TZ)\b[^;\n]{0,30}([!=]==?|includes\(|startsWith\()",
)
_GEOLOCATION = (
    *("api.ipgeolocation.io", "ipinfo.io", "ip-api.com", "ipapi.co", "freegeoip", "geoplugin.net"),
    *("country_name", "freeipapi.com"),
)

DATES = Sign(needles(patterns=_PATTERNS_OF_DATES), lambda use: not syntax.is_text(leaf(use)))
PLACES = Sign(
    needles(*_GEOLOCATION, patterns=_PATTERNS_OF_PLACES),
    lambda use: use.needle not in _GEOLOCATION or is_in_text(use),
)
