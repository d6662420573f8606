"""Lexers for languages whose lexers in Pygments take exponential or cubic time on crafted input.

Those of C, C++, shell scripts, INI files and makefiles do: for shell, it takes an unclosed $' with
many "\\1" after it. The ones here know less of each language, but none of their rules ever goes
back: repeats are possessive, and a string without an end ends with its line or with the text.
"""

from typing import Any

from pygments.lexer import RegexLexer, words
from pygments.token import Comment, Keyword, Name, Number, String, Text, Whitespace

_SPACE = (r"\s++", Whitespace)
_NUMBER = (r"\d[\w.]*+", Number)
_WORD = (r"[^\W\d]\w*+", Name)
_VARIABLE = (r"\$(?:\w++|[{(]\w*+|[@*#?$!<^+-])", Name.Variable)
_LONG_STRING = [
    (r'"(?:[^"\\]|\\[\s\S])*+"?', String),
    (r"'[^']*+'?", String),
    (r"`[^`]*+`?", String),
]


def _any(listed: str, of: str = r"\w") -> words:
    """Any of these words, where no further letter of a word (one that `of` matches) is beside."""
    return words(listed.split(), prefix=f"(?<!{of})", suffix=f"(?!{of})")


def _curly(keywords: str, types: str) -> dict[str, list[Any]]:
    """The rules that C and all languages in its manner share."""
    return {
        "root": [
            _SPACE,
            (r"//[^\n]*+", Comment),
            (r"/\*(?:[^*]|\*(?!/))*+(?:\*/)?", Comment),
            (r"(?<![^\n])[ \t]*+#[ \t]*+\w++", Keyword),
            (r'"(?:[^"\\\n]|\\[\s\S])*+"?', String),
            (r"'(?:[^'\\\n]|\\[\s\S]){1,12}+'", String),
            _NUMBER,
            (_any(keywords), Keyword),
            (_any(types), Keyword.Type),
            (_any("true false null nullptr nil NULL YES NO"), Keyword.Constant),
            (r"@\w++", Name.Decorator),
            _WORD,
            (r".", Text),
        ]
    }


class CLexer(RegexLexer):
    """C, C++ and Objective-C."""

    name = "C"
    tokens = _curly(
        "alignas asm auto break case catch class const constexpr const_cast continue decltype "
        "default delete do dynamic_cast else enum explicit export extern final for friend goto if "
        "inline mutable namespace new noexcept operator override private protected public register "
        "reinterpret_cast restrict return sizeof static static_cast struct switch template this "
        "throw try typedef typeid typename union using virtual volatile while self super",
        "bool char double float int int8_t int16_t int32_t int64_t long short signed size_t "
        "ssize_t uint8_t uint16_t uint32_t uint64_t unsigned void wchar_t id BOOL NSString "
        "NSObject napi_env napi_value napi_status",
    )


class CurlyLexer(RegexLexer):
    """Java, Kotlin, Groovy, Swift, Go, Rust, C#, Dart and PHP."""

    name = "Curly"
    tokens = _curly(
        "abstract as async await break case catch chan class companion const continue crate "
        "default defer delegate do dyn else enum extends extension extern fallthrough final "
        "finally fn for foreach fun func function go goto guard if impl implements import in "
        "inline inout instanceof interface internal is lateinit let loop match mod move mut "
        "namespace native new object override package private protected protocol pub public range "
        "ref return sealed select self Self static struct super suspend switch synchronized this "
        "throw throws trait transient try type typealias unsafe use using val var virtual "
        "volatile when where while yield",
        "bool boolean byte char double float int long short void String str string i8 i16 i32 i64 "
        "u8 u16 u32 u64 f32 f64 usize isize Int Bool Double Float Any error",
    )


class ShellLexer(RegexLexer):
    """Shell scripts."""

    name = "Shell"
    tokens = {
        "root": [
            _SPACE,
            (r"(?<![^\s;&|(])#[^\n]*+", Comment),
            (r"\\[\s\S]", String),
            (r"\$'(?:[^'\\]|\\[\s\S])*+'?", String),
            *_LONG_STRING,
            _VARIABLE,
            (
                _any(
                    "if fi then else elif for while until do done case esac in select function "
                    "return break continue exit local export readonly declare typeset unset "
                    "source eval exec trap set shift alias",
                    of=r"[\w./=-]",
                ),
                Keyword,
            ),
            (r"[^\W\d]\w*+(?=\+?=)", Name.Variable),
            (r"(?<![\w.-])\d++(?![\w.-])", Number),
            (r"[\w./+,:@%^~-]++", Text),
            (r".", Text),
        ]
    }


class SettingsLexer(RegexLexer):
    """INI, .npmrc, .env, .editorconfig and .properties files: a name and a value a line."""

    name = "Settings"
    tokens = {
        "root": [
            _SPACE,
            (r"(?<![^\n])[#;][^\n]*+", Comment),
            (r"(?<![^\n])\[[^\]\n]*+\]?", Keyword),
            (r"(?<![^\n])[^=:\n]++(?=[=:])", Name.Attribute),
            (r"[=:]", Text, "value"),
            (r"[^\n=:]++", Text),
        ],
        "value": [
            (r"\n", Whitespace, "#pop"),
            (r"[ \t]++", Whitespace),
            (r"\$\{\w*+\}?", Name.Variable),
            (r'"[^"\n]*+"?|\'[^\'\n]*+\'?', String),
            (r"(?<!\w)\d++(?!\w)", Number),
            (r"(?<!\w)(?:true|false)(?!\w)", Keyword.Constant),
            (r"[ \t]++[#;][^\n]*+", Comment),
            (r"\w++", Text),
            (r".", Text),
        ],
    }


class MakeLexer(RegexLexer):
    """Makefiles and Dockerfiles, with the shell in them."""

    name = "Make"
    tokens = {
        "root": [
            _SPACE,
            (r"#[^\n]*+", Comment),
            (r"\\[\s\S]", String),
            (
                _any(
                    "include define endef ifeq ifneq ifdef ifndef else endif export unexport "
                    "override vpath FROM RUN CMD LABEL EXPOSE ENV ADD COPY ENTRYPOINT VOLUME "
                    "USER WORKDIR ARG ONBUILD STOPSIGNAL HEALTHCHECK SHELL AS",
                    of=r"[\w./=-]",
                ),
                Keyword,
            ),
            (r"(?<![^\n])[\w.%/-]++(?=[ \t]*+:(?!:?=))", Name.Function),
            (r"(?<![^\n])[\w.-]++(?=[ \t]*+(?:::|[:?+!])?=)", Name.Variable),
            (r'"(?:[^"\\\n]|\\[\s\S])*+"?|\'[^\'\n]*+\'?', String),
            _VARIABLE,
            (r"[\w./+-]++", Text),
            (r".", Text),
        ]
    }
