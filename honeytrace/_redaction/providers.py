"""The formats of providers' keys, as data: to add a provider, add a line.

Here are the providers that a marker names; `other_providers.py` has all others. The columns are the
rule that the marker names, the prefix, the alphabet of what follows, its length in characters
(`20`, `20-40` or `20+`), how strictly to read it, and the documentation.

    prefix   the prefix is unmistakable: a key that was cut short is replaced, too
    glued    the same, and the end of another word may touch it
    whole    the prefix could begin a word: the length has to fit, and nothing may follow
    mixed    the prefix could begin a word: what follows has to mix digits and letters, or cases

A prefix that ends with a dot, a tilde or a slash introduces the key and stays in the text.
"""

from __future__ import annotations

from typing import NamedTuple

from honeytrace._redaction.other_providers import OTHER

ALPHABETS = {
    "digits": "0-9",
    "hex": "0-9a-f",
    "HEX": "0-9a-fA-F",
    "hexdash": "0-9a-fA-F-",
    "lower": "a-z0-9",
    "upper": "A-Z0-9",
    "alnum": "A-Za-z0-9",
    "word": "A-Za-z0-9_",
    "dash": "A-Za-z0-9_-",
    "dots": "A-Za-z0-9_.~=-",
    "base64": "A-Za-z0-9+/=_-",
}

_NAMED = """
anthropic   sk-ant-             dash    8+      prefix  docs.anthropic.com/en/api
openai      sk-proj-            dash    8+      prefix  platform.openai.com/docs/api-reference
openai      sk-svcacct-         dash    8+      prefix  platform.openai.com/docs/api-reference
openai      sk-service-         dash    20+     mixed   platform.openai.com/docs/api-reference
openai      sk-admin-           dash    20+     mixed   platform.openai.com/docs/api-reference
openai      sk-None-            dash    8+      prefix  platform.openai.com/docs/api-reference
openai      sess-               alnum   40      whole   platform.openai.com/docs/api-reference
openai      ek_                 hex     32+     mixed   platform.openai.com/docs/guides/realtime
openai      sk-or-v1-           alnum   64      prefix  openrouter.ai/docs/api-reference
openai      sk-lf-              dash    24+     mixed   langfuse.com/docs/api
openai      sk-helicone-        dash    27+     mixed   docs.helicone.ai
openai      sk-do-              dash    40+     mixed   docs.digitalocean.com/products/gradient
openai      sk-                 alnum   20+     prefix  platform.openai.com/docs/api-reference
honeyhive   hh_                 dash    16+     mixed   docs.honeyhive.ai
aws         AKIA                upper   16      whole   docs.aws.amazon.com/IAM
aws         ASIA                upper   16      whole   docs.aws.amazon.com/IAM
aws         ABIA                upper   16      whole   docs.aws.amazon.com/IAM
aws         ACCA                upper   16      whole   docs.aws.amazon.com/IAM
aws         ABSK                base64  40-270  prefix  docs.aws.amazon.com/bedrock
aws         bedrock-api-key-    base64  28+     prefix  docs.aws.amazon.com/bedrock
google      AIza                dash    35      prefix  cloud.google.com/docs/authentication
google      AQ.                 dash    40+     prefix  ai.google.dev/gemini-api/docs/api-key
google      GOCSPX-             dash    28      prefix  developers.google.com/identity
google      ya29.               dash    20+     prefix  developers.google.com/identity
google      1//0                dash    30+     prefix  developers.google.com/identity
github      ghp_                alnum   36+     prefix  docs.github.com/authentication
github      gho_                alnum   36+     prefix  docs.github.com/authentication
github      ghu_                alnum   36+     prefix  docs.github.com/authentication
github      ghs_                alnum   36+     prefix  docs.github.com/authentication
github      ghr_                alnum   36+     prefix  docs.github.com/authentication
github      github_pat_         word    82      glued   docs.github.com/authentication
gitlab      glpat-              dots    20+     glued   docs.gitlab.com/security/tokens
gitlab      gloas-              dash    64      prefix  docs.gitlab.com/security/tokens
gitlab      gldt-               dots    20+     prefix  docs.gitlab.com/security/tokens
gitlab      glrt-               dots    20+     prefix  docs.gitlab.com/security/tokens
gitlab      glrtr-              dots    20+     prefix  docs.gitlab.com/security/tokens
gitlab      glcbt-              dots    20+     prefix  docs.gitlab.com/security/tokens
gitlab      glptt-              dots    40      prefix  docs.gitlab.com/security/tokens
gitlab      glft-               dots    20+     prefix  docs.gitlab.com/security/tokens
gitlab      glimt-              dots    25      prefix  docs.gitlab.com/security/tokens
gitlab      glagent-            dots    50      prefix  docs.gitlab.com/security/tokens
gitlab      glwt-               dots    20+     prefix  docs.gitlab.com/security/tokens
gitlab      glsoat-             dots    20      prefix  docs.gitlab.com/security/tokens
gitlab      glffct-             dots    20      prefix  docs.gitlab.com/security/tokens
gitlab      GR1348941           dash    20      prefix  docs.gitlab.com/security/tokens
slack       xoxb-               dash    12+     prefix  api.slack.com/concepts/token-types
slack       xoxp-               dash    12+     prefix  api.slack.com/concepts/token-types
slack       xoxa-               dash    10+     prefix  api.slack.com/concepts/token-types
slack       xoxr-               dash    12+     prefix  api.slack.com/concepts/token-types
slack       xoxo-               dash    12+     prefix  api.slack.com/concepts/token-types
slack       xoxs-               dash    12+     prefix  api.slack.com/concepts/token-types
slack       xoxc-               dash    12+     prefix  api.slack.com/concepts/token-types
slack       xoxd-               base64  12+     prefix  api.slack.com/concepts/token-types
slack       xoxe-               dash    12+     prefix  api.slack.com/concepts/token-types
slack       xoxe.xoxb-          dash    12+     prefix  api.slack.com/concepts/token-types
slack       xoxe.xoxp-          dash    12+     prefix  api.slack.com/concepts/token-types
slack       xapp-               dash    16+     prefix  api.slack.com/concepts/token-types
slack       xwfp-               dash    16+     prefix  api.slack.com/concepts/token-types
stripe      sk_live_            word    8+      prefix  docs.stripe.com/keys
stripe      sk_test_            word    8+      prefix  docs.stripe.com/keys
stripe      sk_prod_            dash    10+     prefix  docs.stripe.com/keys
stripe      rk_live_            word    8+      prefix  docs.stripe.com/keys
stripe      rk_test_            word    8+      prefix  docs.stripe.com/keys
stripe      rk_prod_            dash    10+     prefix  docs.stripe.com/keys
stripe      whsec_              base64  16+     prefix  docs.stripe.com/webhooks
stripe      pi_                 word    50-80   whole   docs.stripe.com/api/payment_intents
stripe      seti_               word    50-80   whole   docs.stripe.com/api/setup_intents
huggingface hf_                 alnum   20+     mixed   huggingface.co/docs/hub/security-tokens
huggingface api_org_            alnum   20+     mixed   huggingface.co/docs/hub/security-tokens
groq        gsk_                alnum   52      prefix  console.groq.com/docs
replicate   r8_                 dash    20+     mixed   replicate.com/docs/reference/http
npm         npm_                alnum   36      prefix  docs.npmjs.com/about-access-tokens
pypi        pypi-Ag             dash    16+     glued   pypi.org/help/#apitoken
pypi        pypi-               dash    16+     mixed   pypi.org/help/#apitoken
sendgrid    SG.                 dots    66      glued   www.twilio.com/docs/sendgrid
google      4/0                 dash    60+     mixed   developers.google.com/identity
"""


class Provider(NamedTuple):
    """One line of a table.

    Attributes:
        rule: what the marker names.
        prefix: what the key begins with.
        alphabet: the name of the alphabet of what follows, a key of `ALPHABETS`.
        least: the shortest documented length of what follows, in characters.
        most: the longest one; None if there is no limit.
        reading: `prefix`, `glued`, `whole` or `mixed`.
        docs: the documentation that the format comes from.
    """

    rule: str
    prefix: str
    alphabet: str
    least: int
    most: int | None
    reading: str
    docs: str


def _row(rule: str, prefix: str, alphabet: str, length: str, reading: str, docs: str) -> Provider:
    least, _, most = length.rstrip("+").partition("-")
    longest = None if length.endswith("+") else int(most or least)
    return Provider(rule, prefix, alphabet, int(least), longest, reading, docs)


def providers() -> list[Provider]:
    """Return all rows."""
    named = (line.split() for line in _NAMED.strip().splitlines())
    others = (["provider", *line.split()] for line in OTHER.strip().splitlines())
    return [_row(*columns) for columns in (*named, *others)]
