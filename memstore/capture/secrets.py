"""Secrets are masked before anything is written: what is never stored cannot leak.

`mask` replaces what looks like a credential by `[masked:KIND]` and keeps the words around it. Five families:

- tokens that name their issuer by a prefix (`ghp_…`, `AKIA…`, `sk-ant-…`, `xoxb-…`, JSON web tokens …);
- private key blocks, whole, and what is left of one that was cut off;
- credentials in URLs, `Authorization` headers, connection strings and commands (`curl -u`);
- values given to a name that says what they are (`password = …`, `"api_key": "…"`, "the token is …");
- pass phrases of plain words given to such a name ("passphrase: correct horse battery staple").

A pass phrase is told from prose by what it lacks: four to twenty-four words (three after "passphrase" and the like) that
end where the line or the clause does, none of which is a word that sentences or talk about passwords are made of. So
shorter ones ("password: blue horse") stay in clear, and so do those that are sentences ("password: my dog ate the shoe"),
those that run on into prose, and those that no such name introduces; while "password: old hands know better" is masked.

These are our own patterns, not a library, by measurement: detect-secrets reads 470 lines a second here, needs `requests`
and PyYAML, reports positions of lines only, and with its entropy detectors takes ordinary words for secrets. It serves
as the yardstick instead: a test draws strings from its provider patterns and asks that every one be masked.
Linear time: each pattern starts at a literal that is looked for first, and every repeat is possessive or bounded.
"""

# ruff: noqa: E501 (patterns read better on one line)

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple


class Secret(NamedTuple):
    """A masked secret: its kind, and where its mask begins in the masked text. Nothing of its content is kept."""

    kind: str
    at: int


class Masked(NamedTuple):
    """The text that may be stored, and what was taken out of it."""

    text: str
    found: tuple[Secret, ...]


# kind, literals (lower case) one of which must be in the text, pattern. Group "s", if there is one, is the secret.
# Compiled when a text first holds one of its literals: few do, and the hooks that mask a tool's result cannot wait.
_END = r"(?![A-Za-z0-9_-])"
_TOKENS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("anthropic-key", ("sk-ant-",), r"sk-ant-[A-Za-z0-9_-]{16,}+"),
    ("openai-key", ("sk-",), r"\bsk-(?!ant-)(?:proj-|svcacct-|admin-|or-v1-)?[A-Za-z0-9_-]{20,}+"),
    ("aws-key", ("akia", "asia", "abia", "acca", "a3t"), r"(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[A-Z0-9]{16}"),
    ("github-token", ("gh",), r"gh[pousr]_[A-Za-z0-9_]{36,}+|github_pat_[A-Za-z0-9_]{22,}+"),
    (
        "gitlab-token",
        ("gl", "gr13"),
        r"\b(?:glpat|gldt|glft|glsoat|glrt|glcbt|glimt|glptt|glagent|gloas)-[A-Za-z0-9_-]{20,}+"
        r"|\bGR1348941[A-Za-z0-9_-]{20,}+",
    ),
    ("slack-token", ("xox", "xapp-"), r"(?i:xox[a-z]-(?:\d+-)*+[a-z0-9-]{1,}+)|xapp-\d-[A-Za-z0-9-]{10,}+"),
    ("slack-webhook", ("hooks.slack.com",), r"https://hooks\.slack\.com/services/[A-Za-z0-9_+/-]{20,}+"),
    ("google-key", ("aiza",), r"AIza[A-Za-z0-9_-]{35}"),
    ("google-oauth", ("ya29.", "gocspx-"), r"ya29\.[A-Za-z0-9_-]{20,}+|GOCSPX-[A-Za-z0-9_-]{20,}+"),
    ("stripe-key", ("_live_", "_test_"), r"\b(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,}+|\bwhsec_[A-Za-z0-9]{20,}+"),
    ("npm-token", ("npm_", "_authtoken"), r"npm_[A-Za-z0-9]{36}|_authToken\s*+=\s*+(?P<s>(?!\[masked:|\$)\S++)"),
    ("pypi-token", ("pypi-",), r"pypi-[A-Za-z0-9_-]{50,}+"),
    ("huggingface-token", ("hf_",), r"\bhf_[A-Za-z0-9]{30,}+"),
    ("sendgrid-key", ("sg.",), r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    ("mailchimp-key", ("-us",), r"[0-9a-z]{32}-us[0-9]{1,2}" + _END),
    ("twilio-key", ("ac", "sk"), r"\b(?:AC|SK)[a-z0-9]{32}" + _END),
    ("square-key", ("sq0",), r"sq0[a-z]{3}-[A-Za-z0-9_\\-]{22,43}+"),
    ("telegram-token", (":",), r"\b\d{8,10}:[A-Za-z0-9_-]{35}" + _END),
    ("discord-token", (".",), r"\b[MNO][A-Za-z0-9_-]{23,25}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,38}" + _END),
    ("digitalocean-token", ("do",), r"\bdo[opr]_v1_[a-f0-9]{64}"),
    ("artifactory-token", ("akc",), r"\bAKC[a-zA-Z0-9]{10,}+"),
    ("age-key", ("age-secret",), r"(?i:AGE-SECRET-KEY-1[0-9A-Z]{50,}+)"),
    ("azure-key", ("accountkey", "sharedaccess"), r"(?i:AccountKey|SharedAccessKey)=(?P<s>[A-Za-z0-9+/=]{40,}+)"),
    ("json-web-token", ("eyj",), r"\beyJ[A-Za-z0-9_=-]{8,}+\.[A-Za-z0-9_=-]{4,}+(?:\.[A-Za-z0-9_.+/=-]*+)?"),
    ("bearer-token", ("bearer", "basic", "token"), r"(?i:\b(?:bearer|basic|authorization:\s*token)\s+)(?P<s>[A-Za-z0-9_.~+/=-]{16,}+)"),
    ("url-password", ("://",), r"(?<=://)[^\s:/@'\"<>\[\]{}$]{0,100}:(?P<s>(?!\[masked:|\$)[^\s/@'\"<>]{1,200})@(?=[A-Za-z0-9\[])"),
    ("command-password", ("curl", "wget"), r"\b(?:curl|wget)\b[^\n|;]{0,300}?\s(?:-u|--user)[ =]{0,2}['\"]?[^\s:'\"$]{1,100}:(?P<s>(?!\[masked:|\$)[^\s'\"]{1,200}+)"),
    ("command-password", ("mysql", "mariadb"), r"\b(?:mysql|mariadb)(?:dump|admin)?\b[^\n|;]{0,200}?\s-p(?P<s>(?!\[masked:|\$|\d{1,5}\b)[^\s'\"$-][^\s'\"]{3,200}+)"),
    ("netrc-password", ("login",), r"\blogin\s{1,4}\S{1,100}\s{1,20}password\s{1,4}(?P<s>(?!\[masked:|\$)\S{4,200}+)"),
    ("url-password", ("=",), r"[?&](?:api_?key|access_?token|token|auth|sig(?:nature)?|secret|password|key)=(?P<s>(?!\[masked:)[A-Za-z0-9_.%~+-]{8,}+)"),
)  # fmt: skip
# One plain loop over all literals: every text that is kept goes through it.
_LITERALS = [(literal, number) for number, (_, literals, _) in enumerate(_TOKENS) for literal in literals]

_KEY_BEGIN = r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----|PuTTY-User-Key-File-\d"
_KEY_END = r"-----END (?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?-----|Private-MAC: [0-9a-f]{1,128}"
_KEY_BODY = r"(?:[\s\\n\"'+>|]*+[A-Za-z0-9+/=]{16,}+)*+"

_NAMES = (
    "password", "passwd", "passphrase", "passcode", "pwd", "secret", "apikey", "api_key", "api-key", "api key", "token",
    "access_key", "access key", "accesskey", "private_key", "private key", "credential", "encryption_key", "signing_key", "db_pass", "auth_key",
    "passwort", "kennwort", "mot de passe", "contraseña",
)  # fmt: skip
_NAMED = (
    r"(?i:passwords?|passwort|kennwort|mot de passe|contraseña|passwd|passphrase|passcode|pwd|secrets?|api[_ -]?keys?|tokens?|(?:access|private|encryption|signing|auth)[_ ]?key|"
    r"credentials?|db_pass)[A-Za-z0-9_-]{0,24}[\"'`*]{0,3}"
    r"(?:\s{0,4}(?::=|=>|==|=|:|→)\s{0,4}|\s{1,4}(?i:is|was|are|set to|to|be)\s{1,4}(?:(?i:now|set to)\s{1,4})?|\s{1,2}(?=[\"'`]))"
    r"(?:\*\*)?(?:\"(?P<d>[^\"\n]{4,400})\"|'(?P<q>[^'\n]{4,400})'|`(?P<b>[^`\n]{4,400})`|(?P<u>[^\s\"'`,;<>()\[\]{}]{6,400}))"
)
_PLACEHOLDER = (
    r"(?i:\[masked:|[<{$%(\[]|x{3,}|\*{3,}|\.{3}|…|your[_ -]|my[_ -]?(?:secret|pass|token|key)|example|changeme|placeholder|redacted|"
    r"none$|null$|true$|false$|undefined$|required$|optional$|string$|process\.env|os\.environ|getenv|env\.|config\.|settings\.|secrets\.|"
    r"self\.|this\.|req(?:uest)?\.|args\.)"
)
_CODE_REFERENCE = r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+$|[A-Za-z_]+\($|[A-Z][A-Z_]+$|https?:|/|[a-z]+(?:[_-][a-z]+)*\.?$"


_PHRASE_NAMES = ("pass", "pwd", "kennwort", "contraseña", "phrase", "mnemonic")
_PHRASE = (
    r"(?i:\b(?:(?P<word>pass[ -]?words?|passwd|passcodes?|pwd|passwor[td]|kennwort|mot de passe|contraseña)"
    r"|pass[ -]?phrases?|(?:seed|recovery|backup|mnemonic)[ -]phrases?|mnemonic))\b[\"'`*_]{0,4}"
    r"(?:[^\S\n]{0,4}(?::=|=>|[:=→])[^\S\n]{0,4}|[^\S\n]{1,4}(?P<said>(?i:is|was|ist|lautet|est|es))[^\S\n]{1,4})(?:[*_]{1,2}[^\S\n]{0,4})?[\"'`“]?"
    r"(?P<s>[^\W\d_]{2,20}+(?:(?:[^\S\n]{1,3}|-)(?:[^\W_]{2,20}+|\d)){2,23}+)(?=[^\S\n]{0,4}(?:$|[\n.,;!\"'`”*<)\]}]))"
)
# Words that sentences are made of, and that people say of passwords.
_PROSE = frozenset(
    """
    an the this that these those it its my your our their his her me we you he she they them us who whose which what when where why how
    is are was were be been being am do does did done has have had having can could may might must shall should will would not no nor
    and or but if then than so as at by for from in into of off on onto out over to up via with within without about after before until
    while because since only also just too very more most less least all any both each every either neither none some such same other
    another once here there now never always again still yet let see use used uses using get gets set sets getting setting make makes
    need needs needed want wants please try ask asks asked enter entered entering type types typed give given provide provided check
    checks add adds added remove keep keeps change changed changes changing choose pick read write send sent show shows hide hidden
    required require requires optional mandatory missing empty blank null default invalid valid wrong incorrect mismatch forgotten forgot
    lost expired expires expiry field fields form input text string value values label placeholder prompt dialog screen page link button
    login logon signin user users username account accounts email admin name server client service host database connection session
    config configuration environment variable file files key keys token tokens secret secrets password passwords passphrase phrase
    credential credentials manager policy policies rule rules length minimum maximum least character characters letter letters digit
    digits number numbers symbol symbols uppercase lowercase special complexity strong strength weak secure security hash hashed hashes
    hashing salt salted bcrypt argon encrypt encrypted encryption decrypt plain plaintext clear encoded stored storage store stores
    rotate rotated rotation reset resets resetting update updated validation validate validated authentication authenticate authorization
    auth access denied protected protection prompted generated generate random test tests tested error errors failed failure returns
    return true false example redacted masked unknown unchanged same todo later soon
    der die das den dem ein eine einen ist sind war wird werden wurde muss müssen soll kann nicht und oder aber mit von für bei auf
    wir ihr sie ich du es man nach vor noch nur auch wenn
    le la les un une des du de et ou est sont doit pas pour par sur avec nous vous il elle on el los las una que con por para se debe
    """.split()
)


def mask(text: str) -> Masked:
    """`text` with every recognised secret replaced by `[masked:KIND]`. Masking what is masked changes nothing."""
    found = sorted(_spans(text), key=lambda s: (s[0], -s[1]))
    pieces: list[str] = []
    secrets: list[Secret] = []
    at = length = 0
    for start, end, kind in found:
        if start < at:  # inside, or overlapping, what is masked already: its tail is secret too
            at = max(at, end)
            continue
        pieces.append(text[at:start])
        length += start - at
        secrets.append(Secret(kind, length))
        pieces.append(f"[masked:{kind}]")
        length += len(pieces[-1])
        at = end
    pieces.append(text[at:])
    return Masked("".join(pieces) if secrets else text, tuple(secrets))


def _spans(text: str) -> Iterator[tuple[int, int, str]]:
    lowered = text.lower()
    yield from _private_keys(text)
    for number in sorted({number for literal, number in _LITERALS if literal in lowered}):
        kind, _, pattern = _TOKENS[number]
        for match in re.finditer(pattern, text):
            group = "s" if match.groupdict().get("s") is not None else 0
            yield *match.span(group), kind
    if any(name in lowered for name in _NAMES):
        for match in re.finditer(_NAMED, text):
            for group in "dqbu":
                value = match[group]
                if value is not None and (
                    _is_secret(value, quoted=group != "u", assigned=_assigned(match, group))
                    or _environment(match, value)
                ):
                    start, end = match.span(group)
                    yield start, end - (len(value) - len(value.rstrip(".!?:*")) if group == "u" else 0), "password"

    if any(name in lowered for name in _PHRASE_NAMES):
        for match in re.finditer(_PHRASE, text):
            if _is_phrase(match):
                yield *match.span("s"), "password"


def _is_phrase(match: re.Match[str]) -> bool:
    """Whether words given to a name are chosen at random rather than said."""
    words = re.split(r"[\s-]+", match["s"].lower())
    if len(words) < (4 if match["word"] else 3) or not _PROSE.isdisjoint(words):
        return False
    # after "is" a participle or adverb opens prose: "the password is derived client side"
    return match["said"] is None or not words[0].endswith(("ed", "ing", "ly"))


def _private_keys(text: str) -> Iterator[tuple[int, int, str]]:
    if "-----BEGIN" not in text and "PuTTY-User-Key-File-" not in text:
        return
    opening, closing, inside = map(re.compile, (_KEY_BEGIN, _KEY_END, _KEY_BODY))
    at, closed = 0, True
    while begin := opening.search(text, at):
        end = closing.search(text, begin.end()) if closed else None
        closed = end is not None
        body = inside.match(text, begin.end())
        at = end.end() if end else (body.end() if body else begin.end())
        yield begin.start(), at, "private-key"


def _assigned(match: re.Match[str], group: str) -> bool:
    """True for `name = value`, false for "the name is value", where an ordinary word is just a word."""
    joint = match.string[match.start() : match.start(group)]
    return any(sign in joint for sign in "=:→")


def _environment(match: re.Match[str], value: str) -> bool:
    """`DB_PASSWORD=swordfish`: in an environment file even an ordinary word is a secret."""
    name = match[0].partition("=")[0]
    return "=" in match[0] and name.isupper() and not re.match(_PLACEHOLDER, value) and not value.isupper()


def _is_secret(value: str, *, quoted: bool, assigned: bool) -> bool:
    if re.match(_PLACEHOLDER, value):
        return False
    varied = sum((any(c.isdigit() for c in value), any(c.isupper() for c in value), any(c.islower() for c in value)))
    odd = any(not c.isalnum() and c not in " _-." for c in value.rstrip(".!?:*"))
    digits = any(c.isdigit() for c in value)
    if quoted and assigned:
        return " " not in value.strip() or digits or odd
    if quoted:
        return digits or odd
    if re.match(_CODE_REFERENCE, value) and not (digits and len(value) >= 12):
        return False
    return digits and (varied >= 2 or odd or len(value) >= 8) if not assigned else (digits or odd) and len(value) >= 6
