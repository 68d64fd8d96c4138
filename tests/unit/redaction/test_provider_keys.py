"""Keys of known providers: found wherever they stand, to their last character."""

from __future__ import annotations

import base64
import random
import re
import uuid

import pytest

from honeytrace._redaction import providers as table
from honeytrace._redaction.marker import mark
from honeytrace._redaction.secrets import without_secrets as clean

A = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7"  # 27 characters, as a key might have

UUID = "67359083-b9c4-49fe-8854-495b4d60399f"


LETTERS_AFTER = """apify_api_ bb_live_ csk- dckr_oat_ dckr_pat_ figd_ flp_ fo1_ fpk_ fw_ glsa_ ico-
    jina_ lin_api_ lin_oauth_ llx- ntn_ NRAK- phx_ pnb_ pnu_ pplx- pscale_oauth_ pscale_pw_
    pscale_tkn_ rdme_ rpa_ sbp_ tgp_v1_ vck_ vcp_ xai-"""


HEX_AFTER = """dop_v1_ doo_v1_ dor_v1_ e2b_ fc- pul- rubygems_ sgp_ shpat_ shpca_ shppa_ shpss_
    shippo_live_ shippo_test_ sk_ xkeysib-"""


KEYS = {
    "anthropic": [f"sk-ant-api03-{A}-{A}AA", "sk-ant-admin01-abc-def_ghi"],
    "openai": [
        f"sk-{A}{A}",
        f"sk-proj-{A}_{A}-x",
        f"sk-svcacct-{A}",
        f"sk-or-v1-{A}",
        f"sk-lf-{'1a2b3c4d-' * 3}",
        "sk-" + "a" * 24,
    ],
    "honeyhive": [f"hh_{A}", "hh_live_abc_1234567890"],
    "aws": [
        "AKIAIOSFODNN7EXAMPLE",
        "ASIAIOSFODNN7EXAMPLE",
        f"ABSK{A}{A}=",
        f"bedrock-api-key-{A}{A}",
    ],
    "google": ["AIzaSyA-" + A + "12345", f"GOCSPX-{A}"],
    "github": [f"{kind}_{A}{A[:9]}" for kind in ("ghp", "gho", "ghu", "ghs", "ghr")]
    + [f"github_pat_11ABCDEFG0_{A}"],
    "gitlab": [
        "glpat-" + A[:20],
        "glrt-" + A[:20],
        f"glpat-{A}.01.0a1b2c3d4",
        f"GR1348941{A[:20]}",
    ],
    "slack": ["xoxb-123456789012-123456789012-" + A[:24], "xapp-1-A012-345-" + A],
    "stripe": ["sk_live_" + A, "rk_live_" + A, "sk_test_" + A, "whsec_" + A],
    "huggingface": [f"hf_{A}{A[:7]}", f"api_org_{A}{A[:7]}"],
    "groq": [f"gsk_{A}{A[:25]}"],
    "replicate": [f"r8_{A}{A[:10]}"],
    "twilio": ["SK0123456789abcdef0123456789abcdef"],
    "npm": [f"npm_{A}{A[:9]}"],
    "pypi": [f"pypi-AgEIcHlwaS5vcmc{A}", f"pypi-{A}"],
    "jwt": ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0." + A, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIi"],
    "provider": [
        *(f"{begin}{A}" for begin in LETTERS_AFTER.split()),
        *(f"{begin}{'0a' * 24}" for begin in HEX_AFTER.split()),
        *("dapi" + "0a" * 16, f"dapi{'0a' * 16}-2", f"lsv2_pt_{'0a' * 16}_{'0a' * 5}"),
        *(f"tvly-dev-{A}", f"pcsk_4abc_{A}", f"pk-lf-{UUID}", f"secret_{A}{A}", f"lsv2_sk_{A}"),
        *(f"re_4abcdef_{A[:24]}", f"pat{A[:14]}.{'0a' * 32}", f"HRKU-AA{A}{A}", f"nvapi-{A}"),
        *(f"PMAK-{'0a' * 12}-{'0a' * 17}", f"M{A[:24]}.aB3dE6.{A}", f"AGE-SECRET-KEY-1{A}"),
        *(f"sntrys_eyJ{A}", f"ATATT3xF{A}", f"wandb_v1_{A}", f"pylf_v1_us_{A}", f"ops_eyJ{A}"),
    ],
    "private_key": [
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nabc\n-----END ENCRYPTED PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\nabc=\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\\nMIIE\\n-----END PRIVATE KEY-----\\n"[:-2],
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\nabc\n-----END PGP PRIVATE KEY BLOCK-----",
    ],
}


AROUND = [
    ("", ""),
    ("the key ", " is in use"),
    ('{"x": "', '"}'),
    ("(", ")"),
    ("a\\n", "\\nb"),
    ("x%3D", "&y"),
    ("\x1b[31m", "\x1b[0m"),
    ("\x1b[1;31m", "\x1b[K"),
    ("\\u003d", "\\u0026"),
    ("é😀 ", " …"),
    ("_", "."),
    ("my-key-", ""),
]


@pytest.mark.parametrize(("rule", "keys"), KEYS.items())
def test_keys_of_known_providers(rule, keys):
    """A key is replaced wherever it stands, and the text around it stays."""
    for key in keys:
        for before, after in AROUND:
            if (rule, after) == ("jwt", "."):
                continue  # the point is part of the token
            assert clean(before + key + after) == before + mark(rule) + after


@pytest.mark.parametrize(
    ("text", "clean_text"),
    [
        (f"SG.{A}.{A}", "SG.[REDACTED:sendgrid]"),
        (f"ya29.{A}", "ya29.[REDACTED:google]"),
        *((f"hv{kind}.{A}", f"hv{kind}.[REDACTED:provider]") for kind in "bsr"),
        (f"dp.pt.{A}{A}", "dp.pt.[REDACTED:provider]"),
        (f"dp.st.dev.{A}{A}", "dp.st.[REDACTED:provider]"),
        (f"dt0c01.{'A2' * 12}.{'A2' * 32}", "dt0c01.[REDACTED:provider]"),
        (f"{A[:14]}.atlasv1.{A}{A}{A}", f"{A[:14]}.atlasv1.[REDACTED:provider]"),
        (f"abc8Q~{A}-x_.y", "abc8Q~[REDACTED:provider]"),
        (f"1//0{A}{A}", "1//[REDACTED:google]"),
        (f"my sb_secret_{A}", "my [REDACTED:provider]"),
        (f"bot12345678:AA{A}123456", "bot12345678:[REDACTED:provider]"),
        (
            "AKIAIOSFODNN7EXAMPLE\nwJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "[REDACTED:aws]\n[REDACTED:aws]",
        ),
        (f"AKIAIOSFODNN7EXAMPLE and {A}", f"[REDACTED:aws] and {A}"),
        (
            "-----BEGIN PRIVATE KEY-----\nMIIE… [9 more characters]",
            "[REDACTED:private_key]… [9 more characters]",
        ),
    ],
)
def test_keys_in_parts(text, clean_text):
    """The introduction of a key stays; a private key without an end goes to the end of the text."""
    assert clean(text) == clean_text


# The formats as the providers and the scanners document them, apart from our table: literals, and
# an alphabet with a length in braces.
ALPHABETS = {
    "d": "0123456789",
    "h": "0123456789abcdef",
    "H": "0123456789abcdefABCDEF",
    "l": "abcdefghijklmnopqrstuvwxyz0123456789",
    "U": "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
    "B": "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
    "a": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
    "w": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_",
    "-": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-",
    "+": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "x": "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
}
DOCUMENTED = [
    "sk-ant-api03-{-93}AA",
    "sk-ant-admin01-{-93}AA",
    "sk-proj-{-74}T3BlbkFJ{-74}",
    "sk-svcacct-{-74}T3BlbkFJ{-74}",
    "sk-admin-{-58}T3BlbkFJ{-58}",
    "sk-{a20}T3BlbkFJ{a20}",
    "sk-{h32}",
    "sk-{a48}",
    "sk-or-v1-{h64}",
    "sk-lf-{h8}-{h4}-{h4}-{h4}-{h12}",
    "pk-lf-{h8}-{h4}-{h4}-{h4}-{h12}",
    "AKIA{B16}",
    "ASIA{B16}",
    "ABIA{B16}",
    "ACCA{B16}",
    "ABSK{+120}==",
    "AIza{-35}",
    "AQ.{-50}",
    "GOCSPX-{-28}",
    "ya29.{-120}",
    "1//0{-60}",
    "ghp_{a36}",
    "gho_{a36}",
    "ghu_{a36}",
    "ghs_{a36}",
    "ghr_{a36}",
    "github_pat_{w82}",
    "glpat-{-20}",
    "glpat-{-27}.{l2}{l7}",
    "glrt-t1_{-27}.{l2}{l7}",
    "gldt-{-20}",
    "glcbt-{a2}_{-20}",
    "glptt-{h40}",
    "glft-{-20}",
    "glimt-{-25}",
    "glagent-{-50}",
    "gloas-{h64}",
    "glsoat-{-20}",
    "glffct-{-20}",
    "GR1348941{-20}",
    "xoxb-{d12}-{d12}-{a24}",
    "xoxp-{d12}-{d12}-{d12}-{h32}",
    "xapp-1-A{U10}-{d13}-{h64}",
    "xoxe.xoxp-1-{a146}",
    "xoxe-1-{a147}",
    "xoxs-{d10}-{d10}-{d10}-{h10}",
    "sk_live_{a24}",
    "rk_live_{a24}",
    "sk_test_{a99}",
    "whsec_{+43}=",
    "pi_{a24}_secret_{a25}",
    "hf_{x34}",
    "hf_{a34}",
    "api_org_{x34}",
    "gsk_{a52}",
    "r8_{-37}",
    "SK{h32}",
    "npm_{a36}",
    "pypi-AgEIcHlwaS5vcmc{-150}",
    "SG.{-22}.{-43}",
    "lsv2_pt_{h32}_{h10}",
    "lsv2_sk_{h32}_{h10}",
    "pa-{-43}",
    "ak-{a22}",
    "as-{a22}",
    "pplx-{a48}",
    "xai-{a80}",
    "csk-{l48}",
    "fw_{a24}",
    "tgp_v1_{-43}",
    "nvapi-{-64}",
    "tvly-{a32}",
    "jina_{a60}",
    "pcsk_{a6}_{a63}",
    "fc-{h32}",
    "e2b_{h40}",
    "rpa_{U40}",
    "llx-{a48}",
    "apify_api_{a36}",
    "dapi{h32}",
    "dapi{h32}-2",
    "dapi{H32}",
    "sbp_{h40}",
    "sb_secret_{-31}",
    "vck_{a56}",
    "vcp_{a56}",
    "vca_{a56}",
    "vci_{a56}",
    "vcr_{a56}",
    "vercel_blob_rw_{a16}_{a32}",
    "cfut_{a40}{h8}",
    "cfat_{a40}{h8}",
    "cfk_{a40}{h8}",
    "v1.0-{h24}-{h146}",
    "pat-na1-{h8}-{h4}-{h4}-{h4}-{h12}",
    "pat-eu1-{h8}-{h4}-{h4}-{h4}-{h12}",
    "glc_{+100}=",
    "glsa_{a32}_{h8}",
    "eyJrIjoi{a80}",
    "tskey-auth-{a16}-{a32}",
    "tskey-api-{a12}-{a32}",
    "tskey-client-{a12}-{a32}",
    "tskey-scim-{a12}-{a32}",
    "nfp_{a36}",
    "bkua_{l40}",
    "sq0atp-{-22}",
    "sq0csp-{-43}",
    "EAAA{-60}",
    "rzp_live_{a14}",
    "rzp_test_{a14}",
    "tfp_{w44}_{w14}",
    "sdk-{h8}-{h4}-4{h3}-{h4}-{h12}",
    "NRII-{-32}",
    "NRAK-{U27}",
    "NRIQ-{-32}",
    "NRJS-{h19}",
    "hvs.{-95}",
    "hvb.{-150}",
    "s.{a24}",
    "{a14}.atlasv1.{-67}",
    "dckr_pat_{-27}",
    "dckr_oat_{-32}",
    "figd_{-40}",
    "figo_{-42}",
    "pscale_pw_{-43}",
    "pscale_tkn_{-43}",
    "pscale_oauth_{-43}",
    "fo1_{-43}",
    "fm2_{+120}==",
    "fm1r_{+120}",
    "sntrys_eyJpYXQiO{+100}=_{+43}",
    "sntryu_{h64}",
    "shpat_{H32}",
    "shpat_{a32}",
    "shpca_{H32}",
    "shppa_{H32}",
    "shpss_{H32}",
    "sgp_{h16}_{h40}",
    "sgp_{h40}",
    "sgp_local_{h40}",
    "dop_v1_{h64}",
    "doo_v1_{h64}",
    "dor_v1_{h64}",
    "pul-{h40}",
    "rubygems_{h48}",
    "shippo_live_{H40}",
    "shippo_test_{H40}",
    "xkeysib-{h64}-{a16}",
    "xsmtpsib-{h64}-{a16}",
    "key-{h32}",
    "re_{a8}_{a24}",
    "lin_api_{a40}",
    "ntn_{d11}{a35}",
    "secret_{a43}",
    "phx_{a43}",
    "pnu_{a36}",
    "rdme_{l70}",
    "rootly_{h64}",
    "ops_eyJ{+250}",
    "ATATT3xFfGF0{-170}={U8}",
    "ATCTT3xFfG{-170}={U8}",
    "ATBB{a32}",
    "AGE-SECRET-KEY-1{U58}",
    "CFPAT-{-43}",
    "HRKU-AA{-58}",
    "HRKU-{h8}-{h4}-{h4}-{h4}-{h12}",
    "PMAK-{h24}-{h34}",
    "ico-{a32}",
    "LTAI{a20}",
    "p8e-{l32}",
    "duffel_live_{-43}",
    "dp.pt.{a43}",
    "dp.st.prd.{a43}",
    "dp.ct.{a40}",
    "dt0c01.{U24}.{U64}",
    "EZAK{a54}",
    "EZTK{a54}",
    "FLWSECK_TEST-{h32}-X",
    "FLWSECK-{h32}-X",
    "fio-u-{-64}",
    "AKCp{a69}",
    "cmVmd{a59}",
    "CLOJARS_{l60}",
    "sha256~{-43}",
    "API-{U26}",
    "squ_{h40}",
    "sqp_{h40}",
    "CCIPAT_{a22}_{h40}",
    "{h32}-us{d2}",
    "{a6}_{a29}_mmk",
    "{d10}:A{-34}",
    "{a3}8Q~{-34}",
    "pat{a14}.{h64}",
    "eyJ{-30}.eyJ{-60}.{-43}",
    "sess-{a40}",
    "ek_{h32}",
    "sk-helicone-{l7}-{l7}-{l7}-{l7}",
    "sk-do-{a48}",
    "sk_prod_{-64}",
    "seti_{a24}_secret_{a31}",
    "napi_{l64}",
    "dose{h32}",
    "rnd_{a28}",
    "figr_{-40}",
    "shpat_{-38}",
    "shpss_{-38}",
    "shprt_{-38}",
    "prtapi_{h32}",
    "NRAA-{h27}",
    "dt0s01.{B8}.{B64}",
    "dt0s02.{B8}.{B64}",
    "oy2{l43}",
    "cio{a32}",
    "hcaik_{l58}",
    "hcxik_{l58}",
    "AQVN{-36}",
    "y0_{-55}",
    "t1.{-100}.{-86}",
    "EAAG{a160}",
    "EAAB{a160}",
    "IGQV{-120}",
    "access-production-{h8}-{h4}-{h4}-{h4}-{h12}",
    "access-sandbox-{h8}-{h4}-{h4}-{h4}-{h12}",
    "pdl_live_apikey_{l26}_{a22}_{a3}",
    "polar_oat_{a43}",
    "dnkey-{-26}-{-52}",
    "xaat-{h8}-{h4}-{h4}-{h4}-{h12}",
    "signkey-prod-{h64}",
    "tr_prod_{a20}",
    "secret-{a43}",
    "kpat_{a50}",
    "sl.u.{-140}",
    "sl.{-136}",
    "api_live.{-11}.{-32}",
    "AVNS_{-19}",
    "mdb_sa_sk_{-40}",
    "CCDB1_{a22}_{a40}",
    "cal_live_{h32}",
    "dub_{a24}",
    "nyk_v0_{a64}",
    "lip_{a20}",
    "tss_{a40}",
    "vtwn_{a27}",
    "ddo_{a36}",
    "m0-{a40}",
    "opk_{h42}",
    "up_{a29}",
    "ck-{a44}",
    "tpuf_{a40}",
    "hl_sk_{h48}",
    "tl_{h64}",
    "key_{h64}",
    "v2x{h64}",
    "NF-{a32}",
    "{a76}AZDO{a4}",
    "{a52}JQQJ99{a26}",
    "sk-let-{a70}",
    "sk_car_{a22}",
    "sk_dev_{-65}",
    "sk_{a43}",
    "ak_{a20}",
    "pk_{h34}",
    "pk_prod_{U28}",
    "pk_{d8}_{U32}",
    "sk{a178}",
    "sbp_oauth_{h40}",
    "dbtc_{-43}",
    "dbtu_{-43}",
    "amzn.mws.{h8}-{h4}-{h4}-{h4}-{h12}",
    "sandbox-sq0csb-{-43}",
    "link-production-{h8}-{h4}-{h4}-{h4}-{h12}",
    "dG9rO{a54}==",
    "5Aep861{a80}",
    "cflt{+60}",
    "st.{h8}-{h4}-{h4}-{h4}-{h12}.{h32}.{h32}",
    "secret-live-{-36}",
    "console-{a43}",
    "salad_cloud_{a6}_{a50}",
    "flb_live_{a20}",
    "polar_whs_{a43}",
    "secret_admin_{a43}",
    "secret_user_{a43}",
    "secret_{a20}_{h32}.{a32}",
    "configcat-sdk-1/{-22}/{-22}",
    "key_{h28}",
    "key_{h128}",
    "z_1d{a60}.{-86}",
    "zut_{-36}",
    "zwt_{-40}",
    "nk-{-43}",
    "mxb_{a40}",
    "emb_{h48}",
    "pai-{h8}-{h4}-{h4}-{h4}-{h12}",
    "live_{h32}",
    "mb_{+43}=",
    "hxtp_{h80}",
    "retool_01{l24}",
    "n8n_api_{h80}",
    "ptr_{+43}=",
    "dnsimple_u_{a32}",
    "cu_{h32}",
    "sktsec_{-40}",
    "QN_{h32}",
    "v1.{h40}",
    "samsara_api_{a30}",
    "luma-{h8}-{h4}-{h4}-{h4}-{h12}-{h36}",
    "depot_org_{h64}",
    "zpka_{h32}_{h8}",
    "pit-{h8}-{h4}-{h4}-{h4}-{h12}",
    "tsec_{a40}",
    "inference-{h32}",
    "4/0{-70}",
    "xai-{w80}",
    "tfp_{-44}_{-14}",
    "00D{a12}!AQ{w94}",
    "SU{B56}",
    "S{B55}",
    "00{-40}",
    "{h32}.{a16}",
    "{h32}-{h8}-{h8}",
    "KEY01{U15}_{a22}".replace("U", "d"),
    "K001{+27}",
    "AQEyhm{+100}-{-43}",
    "1/{d16}:{h32}",
    "{h8}-{h4}-{h4}-{h4}-{h12}:{h32}",
    "access_token$production${l16}${h32}",
    "token-{l5}:{l54}",
    "{h24}:{h64}",
    "{+76}+ASt{a6}==",
    "{+76}+ABa{a6}==",
    "{a76}ACDb{a6}==",
    "{a76}APIM{a6}==",
    "{-44}AzFu{-5}==",
    "{a42}AzSe{a6}",
    "{a42}AzML{a6}",
    "{a42}+ACR{a6}",
    "{a33}AzCa{a5}=",
    "{a33}AzEG{a5}=",
    "{a33}AIoT{a5}=",
    "{a33}+AEh{a5}=",
    "{a33}+ASb{a5}=",
    "{a33}+ARm{a5}=",
]


def documented(template, rng):
    """Return a random key of a documented format, and its tail."""
    parts = []
    for index, part in enumerate(re.split(r"\{(.[0-9]+)\}", template)):
        if index % 2:
            part = "".join(rng.choices(ALPHABETS[part[0]], k=int(part[1:])))
        parts.append(part)
    key = "".join(parts)
    return key, key[-12:]


@pytest.mark.parametrize("template", DOCUMENTED)
def test_documented_formats(template):
    """200 random keys of each format, in prose and glued to what texts have: no tail is left."""
    rng = random.Random(template)
    for _ in range(200):
        key, tail = documented(template, rng)
        for before, after in (("the key ", " is in use"), ('{"x": "', '"}'), ("see\\n", "\\n")):
            found = clean(before + key + after)
            assert tail not in found, (key, found)
            assert found.startswith(before)
            assert found.endswith(after)


def test_the_table():
    """Each row has a provider, a documented length, and an address of its documentation."""
    rows = table.providers()
    assert len({row.prefix for row in rows}) == len(rows)
    for row in rows:
        assert row.alphabet in table.ALPHABETS
        assert row.reading in ("prefix", "glued", "whole", "mixed")
        assert row.most is None or row.least <= row.most
        assert "." in row.docs


NOT_KEYS = [
    "sk-hynix-q3-2024-revenue-outlook",
    "hf_hubDownloadTokenizersParallelism",
    "hf_hub_download",
    "pplx-70b-online-2024-chat",
    "xai-grok-2-1212-beta-version",
    "jina-embeddings-v2-base-en",
    "jina_embeddings_v3_small",
    "re_compile_2024_pattern_cache",
    "pa-rent-child-relationship-of-things",
    "sdk-for-python-and-typescript-users-2",
    "api-gateway-for-internal-services-v2",
    "key-value-store-for-the-application",
    "tvly-x",
    "npm_config_registry",
    "errors.MultipartConversionError",
    "s.substringAfterLastIndexOf",
    "task-sk-learn-estimator-toggleable__content",
    "sub-c-ommittee-on-energy-and-commerce",
    "EAAA",
    "as-a-matter-of-fact",
    "ak-47-assault-rifle-in-a-game",
    "sk_OSSL_CRMF_ATTRIBUTETYPEANDVALUE_set_cmp_func",
    "sk_SRP_gN_cache_new_reserve_2",
    "live_stream_of_the_conference_2024",
    "console-api-v2-browser-extension-20240101",
    "secret-live-streaming-event-of-2024-in-berlin",
    "luma-dream-machine-1.6-video-generation-model",
    "v1.30.0-eks-fae4244-kubernetes-node",
    "inference-profile-us-east-1-anthropic",
    "4/0",
    "5d41402abc4b2a76b9719d911017c592.min.css",
    "5d41402abc4b2a76b9719d911017c592.chunkOfSources1",
    "507f1f77bcf86cd799439011:2024",
    "SSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSSS",
    "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
    "chatcmpl-B9MBs8CjcvOLX2a6GsUyK5o2jQrjk",
    "toolu_01A09q90qw90lq917835lq9",
]


@pytest.mark.parametrize("word", NOT_KEYS)
def test_words_that_begin_as_keys_do(word):
    """Identifiers, names of models and headlines stay."""
    assert clean(f"see {word} there") == f"see {word} there"


@pytest.mark.parametrize("length", [1_000, 100_000])
def test_images_and_hashes(length):
    """Base64, hexadecimal digits and UUIDs are not keys."""
    rng = random.Random(length)
    data = rng.randbytes(length)
    assert clean(base64.b64encode(data).decode()) == base64.b64encode(data).decode()
    assert clean(data.hex()) == data.hex()
    ids = " ".join(str(uuid.UUID(bytes=data[i : i + 16])) for i in range(0, 960, 16))
    assert clean(ids) == ids
