"""Keys of known makers: what they begin with, and what may follow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import groupby

from honeytrace._redaction.marker import Span

_RUN = b"a" * 16  # as short as a key may be
KEYLIKE = b"-_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RUNS = bytes(ord("a") if byte in KEYLIKE else ord(" ") for byte in range(256))

# A digit tells a key from words joined by dashes.
_MIXED = r"(?=[A-Za-z_-]{0,64}\d)[\w-]{16,}"
_ANY = rf"(?:{_MIXED}|[A-Za-z0-9]{{20,}})"
_PLAIN = r"[A-Za-z0-9]{16,}"
_LONG = r"(?=[A-Za-z]{0,64}\d)[A-Za-z0-9]{20,}"
_HEX = r"[0-9a-f]{32,}"
_PARTS = r"[\w-]{20,}"

# The rule, what the keys begin with, and what follows; the first that fits counts.
_MAKERS = (
    ("anthropic", "sk-ant-", r"[\w-]{8,}"),
    ("openai", "sk-proj- sk-svcacct- sk-admin- sk-None-", r"[\w-]{8,}"),
    ("openai", "sk-", _ANY),
    ("honeyhive", "hh_", _ANY),
    (
        "aws",
        "AKIA ASIA ABIA ACCA",
        r"""(?:[A-Z0-9]{16}(?![\w-])|[A-Z0-9]{4,15}(?=\u2026))
            (?:[\s"',:;|/]{1,8}[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=]))?""",
    ),
    ("aws", "ABSK bedrock-api-key-", r"[A-Za-z0-9+/]{32,}={0,2}"),
    ("google", "AIza", r"[\w-]{30,}"),
    ("google", "GOCSPX-", _PARTS),
    ("github", "gho_ ghp_ ghr_ ghs_ ghu_", _PLAIN),
    ("github", "github_pat_", r"\w{16,}"),
    (
        "gitlab",
        (
            "glagent- glcbt- gldt- glffct- glft- glimt- gloas- glpat- glptt- glrt- glrtr- glsoat-"
            " glwt- GR1348941"
        ),
        r"[\w-]{12,}(?:\.\w{2}\.?\w{7,9}(?!\w))?",
    ),
    ("slack", "xox", r"[a-z]-[\w-]{10,}"),
    ("slack", "xapp-", r"\d[\w-]{10,}"),
    ("stripe", "sk_live_ sk_test_ sk_prod_ rk_live_ rk_test_ rk_prod_", r"\w{8,}"),
    ("stripe", "whsec_", r"\w{16,}"),
    ("huggingface", "hf_ api_org_", _PLAIN),
    ("groq", "gsk_", _PLAIN),
    ("replicate", "r8_", _PLAIN),
    ("twilio", "SK", r"[0-9a-fA-F]{32}(?![\w-])"),
    ("npm", "npm_", _PLAIN),
    ("pypi", "pypi-", rf"(?:Ag[\w-]{{16,}}|{_MIXED})"),
    ("jwt", "eyJ", r"[\w-]{13,}\.[\w-]{4,}(?:\.[\w-]*){0,3}"),
    ("maker", "lsv2_pt_ lsv2_sk_", _ANY),
    (
        "maker",
        (
            "apify_api_ bb_live_ csk- dckr_oat_ dckr_pat_ figd_ flp_ fo1_ fpk_ fw_ glsa_ ico- jina_"
            " lin_api_ lin_oauth_ llx- ntn_ NRAK- phx_ pnb_ pnu_ pplx- pscale_oauth_ pscale_pw_"
            " pscale_tkn_ rdme_ rpa_ sbp_ tgp_v1_ vck_ vcp_ xai-"
        ),
        _LONG,
    ),
    ("maker", "pcsk_", rf"(?:[A-Za-z0-9]{{4,8}}_)?{_LONG}"),
    ("maker", "secret_", r"(?=[A-Za-z]{0,64}\d)[A-Za-z0-9]{40,}"),
    (
        "maker",
        (
            "ATATT3xF ATCTT3xF ATBB AGE-SECRET-KEY-1 CFPAT- HRKU- nvapi- ops_eyJ sb_secret_ sntrys_"
            " sntryu_ tvly- tskey-auth- tskey-api- wandb_v1_ pylf_v1_ pylf_v2_ esecret_ pk-lf-"
        ),
        r"(?=[A-Za-z_-]{0,64}\d)[\w-]{20,}",
    ),
    (
        "maker",
        (
            "dop_v1_ doo_v1_ dor_v1_ e2b_ pul- rubygems_ sgp_ fc- sk_ shppa_ shpat_ shpca_ shpss_"
            " shippo_live_ shippo_test_ xkeysib-"
        ),
        _HEX,
    ),
    ("maker", "dapi", r"[0-9a-f]{32}(?:-\d)?"),
    ("maker", "PMAK-", r"[0-9a-f]{24}-[0-9a-f]{34}"),
    ("maker", "pat", r"[A-Za-z0-9]{14}\.[0-9a-f]{64}"),
    ("maker", "re_", r"[A-Za-z0-9]{6,12}_[A-Za-z0-9]{20,28}(?![\w-])"),
    (
        "maker",
        "M N O",
        r"(?=[A-Za-z_-]{0,25}\d)[\w-]{23,27}\.[\w-]{6}\.[\w-]{27,38}(?![\w-])",
    ),  # Discord
)
# What introduces these is no part of the run, and stays.
_AFTER = r"""(?P<google>(?<=ya29\.)[\w-]{16,}|(?<=1//)0[\w-]{30,})
    | (?P<sendgrid>(?<=SG\.)[\w-]{16,}\.[\w-]{16,})
    | (?P<maker>(?<=hv[bsr]\.)[\w-]{24,} | (?<=dp\.[cps]t\.)[A-Za-z0-9]{40,}
      | (?<=dp\.st\.(?:dev|prd|stg)\.)[A-Za-z0-9]{40,} | (?<=dt0c01\.)[A-Z0-9]{24}\.[A-Z0-9]{64}
      | (?<=\.atlasv1\.)[\w=-]{60,} | (?<=\dQ~)[\w.~-]{31,34} | (?<=\d:)AA[\w-]{33})"""


def _first(keys: tuple[str, str]) -> str:
    return keys[0][0]


def _grouped() -> str:
    """One branch for each first character, so that most of them are left out at once."""
    keys = [(prefix, tail) for _, begin, tail in _MAKERS for prefix in begin.split()]
    return "|".join(
        f"{first}(?:{'|'.join(prefix[1:] + tail for prefix, tail in group)})"
        for first, group in groupby(sorted(keys, key=_first), _first)
    )


_RULES = [(prefix, rule) for rule, begin, _ in _MAKERS for prefix in begin.split()]


@cache
def _pattern() -> re.Pattern[str]:
    """Compiled when it is first needed: that takes longer than all else of an import."""
    return re.compile(
        # Most runs are UUIDs. An escape, of JSON, a URL or a terminal's colours, and words in front
        # may touch the key.
        rf"""(?![0-9a-f]{{8}}-[0-9a-f]{{4}}-)
          (?: (?<=\\)(?:[bfnrt]|u[0-9A-Fa-f]{{4}}|x[0-9A-Fa-f]{{2}}) | (?<=%)[0-9A-Fa-f]{{2}}
            | (?<=[\[;])\d{{0,3}}[mK] )? (?:[A-Za-z0-9]{{0,20}}[-_]){{0,4}}?
          (?: (?P<key>{_grouped()}) | {_AFTER} )""",
        re.ASCII | re.VERBOSE,
    )


def keys(text: str, data: bytes) -> Iterator[Span]:
    """What begins as the keys of a known maker do."""
    runs = data.translate(_RUNS)
    at = runs.find(_RUN)
    while at >= 0:
        match = _pattern().match(text, at)
        if match and match.lastgroup:
            start, end = match.span(match.lastgroup)
            yield start, end, _rule(text, start) if match.lastgroup == "key" else match.lastgroup
        else:
            end = runs.find(b" ", at)
            if end < 0:
                return
        at = runs.find(_RUN, end)


def _rule(text: str, start: int) -> str:
    return next(rule for prefix, rule in _RULES if text.startswith(prefix, start))
