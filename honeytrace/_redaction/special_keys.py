"""The formats of providers' keys that a prefix and an alphabet cannot describe, as data."""

from __future__ import annotations

import re
from typing import NamedTuple


class Special(NamedTuple):
    """A format that a prefix and an alphabet cannot describe.

    Attributes:
        rule: what the marker names; empty for what is passed over, so that it is read once only.
        starts: the first word of a key, or its three first characters and `*`; or several. Empty
            if a key may begin anywhere.
        part: a part that is in every key; empty if the start says enough.
        expression: what matches a key.
        least: the length of the shortest key in characters, if a key may begin anywhere.
        random: the index from which a key has to look random; None if the expression says enough.
    """

    rule: str
    starts: str
    part: str
    expression: str
    least: int = 0
    random: int | None = None


_B64 = "[A-Za-z0-9_-]"
_WORD = "(?<![A-Za-z0-9])"
_SPREAD = (
    r"(?=[\w-]{0,31}[A-Z])(?=[\w-]{0,31}[a-z])"
    r"(?=(?:[A-Za-z_-]{0,24}[0-9][0-9_-]{0,4}[A-Za-z]){3})"
)

_END = r"(?![\w-])"

# The first words of a key, a part that is in every key, and the expression.
_STARTING = r"""
pat,sat  at.      [ps]at\.[\w-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}
1000     1000.    1000\.[0-9a-f]{32}\.[0-9a-f]{32}
3MV*     3MVG9    3MVG9[\w.+/=]{80,251}
na1      na1.     na1\.[A-Za-z0-9+/]{100}
api      api_     api_(?=[A-Za-z.]*[0-9])[A-Za-z0-9.]{45}(?![\w-])
pk       pk_      pk_[0-9]{6,10}_[A-Z0-9]{32}(?![\w-])
key      key_     key_(?:[0-9a-f]{28}|(?:[0-9a-f]{64}){1,2})(?![\w-])
secret   secret_  secret_[a-zA-Z0-9]{12,40}_[0-9a-f]{32}\.\w{32}
KEY*     KEY0     KEY0[0-9A-F]{15,40}_[A-Za-z0-9]{22}(?![\w-])
K00*     K00      K00[0-9][A-Za-z0-9+/]{27}(?![\w+/-])
AQE*     AQE      AQE[a-z]hm[A-Za-z0-9+/=]{60,}-[\w+/=-]{30,}
"""

# Keys that are a whole word: a part that is in every key, the shortest length, the expression.
_WORDS = r"""
-us     36  [0-9a-f]{32}-us[0-9]{1,2}
_mmk    40  [A-Za-z0-9]{6}_[A-Za-z0-9]{29}_mmk
NRAL    40  (?:[0-9a-f]{36}|eu01xx[0-9a-f]{30})NRAL
-NRMA   47  (?:AA[0-9a-f]{40}|eu01xx[0-9a-f]{36})-NRMA
AZDO    84  [A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}
JQQJ99  84  [A-Za-z0-9]{52}JQQJ99[A-Za-z0-9]{26}
S       56  S(?=[A-Z]{0,57}[2-7])[A-Z2-7]{55,57}
-       50  [0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}
"""

# Keys behind an id and a sign that ends a run: their length, the id with the sign, the expression.
_BEHIND_IDS = r"""
32  /[0-9]{16}:                 [0-9a-f]{32}
32  -[0-9a-f]{4}-[0-9a-f]{12}:  [0-9a-f]{32}
32  \$[a-z0-9]{16}\$            [0-9a-f]{32}
54  token-[a-z0-9]{5}:          [a-z0-9]{54}
64  (?<![0-9a-f])[0-9a-f]{24}:  [0-9a-f]{64}
"""

# The signatures in the keys of Azure's services, and the characters before them:
# learn.microsoft.com/azure, "identifiable secrets".
_AZURE = """
+ABa 76
+ACR 42
+AEh 33
+ARm 33
+ASb 33
+ASt 76
ACDb 76
AIoT 33
APIM 76
AzCa 33
AzEG 33
AzFu 44
AzML 42
AzSe 42
"""


def _starting(starts: str, part: str, key: str) -> Special:
    return Special("provider", starts.replace(",", " "), part, key)


def _whole_word(part: str, least: str, key: str) -> Special:
    return Special("provider", "", part, f"{_WORD}{key}{_END}", int(least))


def _behind_id(length: str, before: str, key: str) -> Special:
    return Special("provider", "", "", f"(?<={before}){key}{_END}", int(length))


def _azure(signature: str, before: str) -> Special:
    """Return the format of a service's keys."""
    alphabet = "[A-Za-z0-9+/_-]"
    return Special(
        "provider",
        "",
        signature,
        rf"(?<!{alphabet}){alphabet}{{{before}}}{re.escape(signature)}{alphabet}{{5,6}}={{0,2}}(?!{alphabet})",
        int(before) + 9,
    )


SPECIAL = (
    Special("jwt", "eyJ* eyK*", "", rf"ey[JK]{_B64}{{13,}}\.{_B64}{{4,}}(?:\.{_B64}*){{0,3}}"),
    Special("", "eyJ* eyK*", "", rf"ey[JK]{_B64}{{13,}}"),
    Special("jwt", "ZXl*", "", "ZXlK[A-Za-z0-9]{30,}={0,2}"),
    Special("provider", "", "pat", r"pat(?<![A-Za-z0-9]pat)[A-Za-z0-9]{14}\.[0-9a-f]{64}", 82),
    Special("provider", "", "", r"(?<=00D[A-Za-z0-9]{12}!)[\w.]{60,}", 60),
    Special(
        "provider",
        "sc ext scauth authress",
        ".acc",
        r"(?:sc|ext|scauth|authress)_[A-Za-z0-9]{5,30}\.[A-Za-z0-9]{4,6}\.acc[_-]"
        r"[a-z0-9-]{10,32}\.[\w+/=-]{30,120}",
    ),
    Special(
        "provider", "", "FFFFNRAL", rf"{_WORD}(?:[0-9a-f]{{32}}|eu01xx[0-9a-f]{{26}})FFFFNRAL", 40
    ),
    Special(
        "provider",
        "",
        ".",
        r"[MNO](?<![A-Za-z0-9].)(?=[A-Za-z_-]{0,23}[0-9])[\w-]{23,27}\.[\w-]{6}\.[\w-]{27,38}(?![\w-])",
        59,
    ),
    Special("provider", "", "v1.0-", r"(?<![A-Za-z0-9]v1\.)(?<=v1\.)0-[\w-]{16,}", 18),
    Special("twilio", "", "SK", r"SK(?<![A-Za-z0-9]SK)[0-9a-fA-F]{32}(?![\w-])", 34),
    # With dashes, digits have to be spread: else it is the name of a function in C.
    Special(
        "provider",
        "sk ak",
        "k_",
        rf"[as]k_(?:[A-Za-z0-9]{{20,64}}|{_SPREAD}[\w-]{{40,64}})(?![\w-])",
        random=3,
    ),
    Special("provider", "", "sk", rf"{_WORD}sk[A-Za-z0-9]{{100,}}", 102),
    Special(
        "provider",
        "",
        "00",
        r"(?<![\w-])00(?=[\w-]{0,39}[A-Z])(?=[\w-]{0,39}[a-z])[\w-]{40}(?![\w-])",
        42,
    ),
    Special(
        "provider",
        "",
        ".",
        r"(?<![\w.-])[0-9a-f]{32}\.(?=[a-z0-9]{0,15}[A-Z])(?=[A-Za-z]{0,15}[0-9]|(?:[a-z]{0,9}[A-Z]){3})"
        r"[A-Za-z0-9]{16}(?![\w.-])",
        49,
    ),
    *(_starting(*row.split()) for row in _STARTING.strip().splitlines()),
    *(_whole_word(*row.split()) for row in _WORDS.strip().splitlines()),
    *(_behind_id(*row.split()) for row in _BEHIND_IDS.strip().splitlines()),
    *(_azure(*row.split()) for row in _AZURE.strip().splitlines()),
    Special("provider", "", "A", r"A(?<=[0-9]:A)[\w-]{34}(?![\w-])", 35),
    Special("provider", "", "Q~", r"(?<=[0-9]Q~)[\w.~-]{31,34}", 31),
)
