"""API keys, tokens, private keys and passwords in a text.

Keys with a maker's prefix follow the makers' published formats; anything else counts only behind a word that says what
it is ("password:", "api_key="), and never when it is a placeholder or a piece of code.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from ..patterns import late_pattern
from .hits import Hit

__all__ = ["SECRET_GATES", "key_in_token", "worded_secrets"]

_KEY = late_pattern(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-(?:proj-|ant-[a-z0-9]+-|or-v1-|svcacct-|admin-)?[A-Za-z0-9_-]{16,}"
    r"|[srp]k_(?:live|test)_[A-Za-z0-9]{10,}|whsec_[A-Za-z0-9]{16,}"
    r"|(?:AKIA|ASIA|AGPA|AIDA|AROA)[A-Z0-9]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{22,}|glpat-[A-Za-z0-9_-]{20,}"
    r"|xox[abposr]-[A-Za-z0-9-]{10,}|xapp-\d-[A-Za-z0-9-]{10,}"
    r"|AIza[A-Za-z0-9_-]{33,}|ya29\.[A-Za-z0-9_-]{20,}|GOCSPX-[A-Za-z0-9_-]{20,}"
    r"|hf_[A-Za-z0-9]{20,}|gsk_[A-Za-z0-9]{20,}|r8_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{30,}|pypi-[A-Za-z0-9_-]{16,}"
    r"|SG\.[A-Za-z0-9_-]{16,100}\.[A-Za-z0-9_-]{16,}|key-[0-9a-f]{32}|AC[0-9a-f]{32}|SK[0-9a-f]{32}"
    r"|dop_v1_[0-9a-f]{40,}|shp(?:at|ss|ca|pa)_[0-9a-fA-F]{20,}|sq0[a-z]{3}-[A-Za-z0-9_-]{20,}|EAA[A-Za-z0-9]{30,}"
    r"|dckr_pat_[A-Za-z0-9_-]{20,}|lin_api_[A-Za-z0-9]{20,}|ATATT3[A-Za-z0-9_=-]{20,}|figd_[A-Za-z0-9_-]{20,}"
    r"|hvs\.[A-Za-z0-9_-]{20,}|nvapi-[A-Za-z0-9_-]{20,}|pat[A-Za-z0-9]{14}\.[0-9a-f]{40,}"
    r"|eyJ[A-Za-z0-9_-]{8,400}\.eyJ[A-Za-z0-9_-]{8,4000}\.[A-Za-z0-9_-]{8,}"
    r"|\d{8,10}:AA[A-Za-z0-9_-]{32,}"
    r")"
)
_PEM = late_pattern(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = late_pattern(r"-----END [A-Z0-9 ]{0,60}-----")
_URL_LOGIN = late_pattern(r"[a-z][a-z0-9+.-]{1,24}://(?P<login>[^\s:/@\"'<>]{1,64}:(?P<secret>[^\s/@\"'<>]{3,128}))@")
_WEBHOOK = late_pattern(r"https://hooks\.slack\.com/services/[A-Za-z0-9/]{20,}")
_BEARER = late_pattern(r"earer[ :]+[\"']?(?P<secret>[A-Za-z0-9._~+/=-]{16,})")

_PASSWORD_GATES = (
    "pass", "pwd", "kennwort", "contrase", "senha", "wachtwoord", "hasło", "парол", "密码", "密碼", "パスワード",
    "비밀번호",
)  # fmt: skip
_KEY_GATES = ("secret", "token", "key")
_PASSWORDS = frozenset(_PASSWORD_GATES)
_TELLING = _PASSWORDS | frozenset(_KEY_GATES)
SECRET_GATES = ("-----begin", "://", "earer", *_PASSWORD_GATES, *_KEY_GATES)
"""Phrases, in lower case, without one of which :func:`worded_secrets` finds nothing."""

# Letters behind these words with which neither they nor what must follow them goes on ("passage", "keyboard").
_NEVER_BEHIND: Mapping[str, frozenset[str]] = {
    "pass": frozenset("abghjklmnqrsuvxyz"),
    **dict.fromkeys(_KEY_GATES, frozenset("bghjlmnqruvwxyz")),
}
_NOTHING: frozenset[str] = frozenset()

_WORDED = late_pattern(
    r"(?P<password>pass(?:word|wort|wd|phrase|code|e)?|pwd|kennwort|contraseña|contrasena|senha|hasło|"
    r"wachtwoord|"
    r"пароль|密码|密碼|パスワード|비밀번호)"
    r"|(?:secret|token|key)(?:[ _-]?(?:access|auth|client|api|app|secret|key|token|id)){0,3}",
    re.IGNORECASE,
)
_VALUE = late_pattern(
    r"(?:[ _]?(?:for|to|of|für|pour|para|de|del)(?: [\w.@'-]+){1,4})?[\"'`*]{0,3}\s?"
    r"(?P<sign>:|=|=>|：|->|\bis(?: now| still)?:?|\bist:?|\best ?:?|\bes:?|\bè:?|\bé:?|是|は|to:?)"
    r"\s{0,2}[\"'`*]{0,3}(?P<secret>[^\s\"'`<>，。；]{6,200})",
    re.IGNORECASE,
)
_NO_SECRET = late_pattern(
    r"\$[{(A-Za-z]|\{\{?|%[({A-Za-z]|\*{3}|x{4}|\.{3}|your|my[_-]|os\.|process\.|env|getenv|config|settings|self\.|"
    r"this\.|"
    r"request|input|example|placeholder|changeme|redacted|null|none|true|false|undefined|required|optional|string|"
    r"https?:|[a-z_]+\(|[a-z_]+\.[a-z_]+(?:\.|\(|$)|/|\\",
    re.IGNORECASE,
)


def key_in_token(text: str, start: int, end: int, hits: list[Hit]) -> None:
    """Keys of known makers inside ``text[start:end]``, a stretch without blanks."""
    for match in _KEY.finditer(text, start, end):
        value = match[0]
        if len(set(value)) >= 8 and not _is_blanked(value):
            hits.append(Hit("api_key", match.start(), match.end(), 0.99))


def worded_secrets(text: str, lower: str, found: Collection[str], hits: list[Hit], *, has_digit: bool) -> None:
    """Private keys, logins in addresses, bearer tokens, and what stands behind "password:" and the like.

    ``found``: those of :data:`SECRET_GATES` that stand in ``lower``, among others.
    """
    # What was not found in small letters does not stand there in any; some texts have none of their length.
    is_plain = lower is not text
    if not (is_plain and "-----begin" not in found) and "-----BEGIN" in text:
        _private_keys(text, hits)
    if "://" in found:
        if "@" in text:
            hits.extend(
                Hit("api_key", match.start("login"), match.end("login"), 0.99)
                for match in _URL_LOGIN.finditer(text)
                if not _NO_SECRET.match(match["secret"]) and match["secret"].lower() not in ("password", "pass")
            )
        if "hooks.slack.com" in text:
            hits.extend(Hit("api_key", match.start(), match.end(), 0.98) for match in _WEBHOOK.finditer(text))
    if not (is_plain and "earer" not in found) and "earer" in text:
        hits.extend(
            Hit("api_key", match.start("secret"), match.end("secret"), 0.95)
            for match in _BEARER.finditer(text)
            if _is_random(match["secret"], 16) and not _is_filler(match["secret"])
        )
    # A password may have no digit, a key always has one.
    telling = _TELLING if has_digit else _PASSWORDS
    for gate in found:
        if gate not in telling:
            continue
        never = _NEVER_BEHIND.get(gate, _NOTHING)
        at = lower.find(gate)
        while at >= 0:
            end = at + len(gate)
            if lower[end : end + 1] not in never:
                _after_word(text, at, hits)
            at = lower.find(gate, end)


def _private_keys(text: str, hits: list[Hit]) -> None:
    begin = _PEM.search(text)
    while begin is not None:
        end = _PEM_END.search(text, begin.end())
        # A key that was cut off is one all the same.
        stop = end.end() if end is not None else len(text)
        hits.append(Hit("api_key", begin.start(), stop, 0.99))
        begin = _PEM.search(text, stop)


def _after_word(text: str, at: int, hits: list[Hit]) -> None:
    word = _WORDED.match(text, at)
    if word is None or (len(word[0]) == 4 and text[at - 1 : at].isalpha()):
        return
    value = _VALUE.match(text, word.end())
    if value is None or _NO_SECRET.match(value["secret"]):
        return
    secret = value["secret"].rstrip(".,;:?)]}*")
    if word["password"] is not None:
        tight = value["sign"][0] in ":=：-是は"
        fits = len(secret) >= 6 and _is_mixed(secret, symbol_counts=True) and (tight or _is_mixed(secret))
    else:
        fits = _is_random(secret, 16)
    if fits and not _is_filler(secret):
        start = value.start("secret")
        hits.append(Hit("api_key", start, start + len(secret), 0.92))


def _is_mixed(secret: str, *, symbol_counts: bool = False) -> bool:
    digit = any(char.isdigit() for char in secret)
    letter = any(char.isalpha() for char in secret)
    symbol = any(not char.isalnum() for char in secret)
    return (digit and (letter or symbol)) or (
        symbol_counts and symbol and letter and not secret.replace("-", "").isalpha()
    )


def _is_random(secret: str, least: int) -> bool:
    return (
        len(secret) >= least
        and any(char.isdigit() for char in secret)
        and any(char.isalpha() for char in secret)
        and len(set(secret)) >= 8
        and " " not in secret
    )


def _is_filler(value: str) -> bool:
    low = value.lower()
    return _is_blanked(value) or any(word in low for word in ("example", "placeholder", "redacted"))


def _is_blanked(value: str) -> bool:
    low = value.lower()
    return "xxxx" in low or "your" in low or "..." in low
