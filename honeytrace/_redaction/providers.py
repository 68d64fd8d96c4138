"""The formats of providers' keys, as data: to add a provider, add a line.

The columns are the rule that the marker names, the prefix, the alphabet of what follows, its
length in characters (`20`, `20-40` or `20+`), how strictly to read it, and the documentation.

    prefix   the prefix is unmistakable: a key that was cut short is replaced, too
    glued    the same, and the end of another word may touch it
    whole    the prefix could begin a word: the length has to fit, and nothing may follow
    mixed    the prefix could begin a word: what follows has to mix digits and letters, or cases

A prefix that ends with a dot, a tilde or a slash introduces the key and stays in the text.
"""

from __future__ import annotations

from typing import NamedTuple

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

_TABLE = """
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
provider    lsv2_pt_            dash    16+     mixed   docs.smith.langchain.com
provider    lsv2_sk_            dash    16+     mixed   docs.smith.langchain.com
provider    pk-lf-              dash    36      mixed   langfuse.com/docs/api
provider    pa-                 dash    43      mixed   docs.voyageai.com
provider    al-                 dash    43      whole   docs.voyageai.com
provider    ak-                 alnum   22      mixed   modal.com/docs/guide/service-users
provider    as-                 alnum   22      mixed   modal.com/docs/guide/service-users
provider    pplx-               alnum   20+     mixed   docs.perplexity.ai
provider    xai-                word    20+     mixed   docs.x.ai
provider    csk-                alnum   20+     mixed   inference-docs.cerebras.ai
provider    fw_                 alnum   20+     mixed   docs.fireworks.ai
provider    fpk_                alnum   20+     mixed   docs.fireworks.ai
provider    tgp_v1_             dash    43      prefix  docs.together.ai
provider    nvapi-              dash    64      prefix  docs.api.nvidia.com
provider    tvly-               dash    20+     mixed   docs.tavily.com
provider    jina_               dash    20+     mixed   jina.ai/api-dashboard
provider    pcsk_               word    20+     mixed   docs.pinecone.io
provider    fc-                 hex     32+     mixed   docs.firecrawl.dev
provider    e2b_                hex     40+     mixed   e2b.dev/docs/api-key
provider    rpa_                alnum   20+     mixed   docs.runpod.io
provider    llx-                alnum   20+     mixed   docs.cloud.llamaindex.ai
provider    pylf_v              dash    20+     mixed   logfire.pydantic.dev/docs
provider    xaat-               hexdash 36      mixed   axiom.co/docs
provider    xapt-               hexdash 36      mixed   axiom.co/docs
provider    signkey-prod-       hex     64      prefix  www.inngest.com/docs
provider    signkey-test-       hex     64      prefix  www.inngest.com/docs
provider    tr_prod_            alnum   20+     mixed   trigger.dev/docs
provider    tr_dev_             alnum   20+     mixed   trigger.dev/docs
provider    tr_pat_             alnum   20+     mixed   trigger.dev/docs
provider    wandb_v1_           dash    20+     mixed   docs.wandb.ai
provider    esecret_            dash    20+     mixed   docs.anyscale.com
provider    bb_live_            dash    20+     mixed   docs.browserbase.com
provider    apify_api_          alnum   20+     prefix  docs.apify.com/api
provider    dapi                hexdash 32-36   whole   docs.databricks.com/dev-tools/auth
provider    dkea                hexdash 32-36   whole   docs.databricks.com/dev-tools/auth
provider    dose                hexdash 32-36   whole   docs.databricks.com/dev-tools/auth
provider    sbp_                alnum   20+     mixed   supabase.com/docs/guides/api
provider    sb_secret_          dash    20+     mixed   supabase.com/docs/guides/api
provider    napi_               lower   60+     mixed   neon.com/docs/manage/api-keys
provider    vck_                alnum   20+     mixed   vercel.com/docs/rest-api
provider    vcp_                alnum   20+     mixed   vercel.com/docs/rest-api
provider    vca_                alnum   20+     mixed   vercel.com/docs/rest-api
provider    vci_                alnum   20+     mixed   vercel.com/docs/rest-api
provider    vcr_                alnum   20+     mixed   vercel.com/docs/rest-api
provider    vercel_blob_rw_     word    20+     prefix  vercel.com/docs/storage
provider    rnd_                alnum   28+     mixed   render.com/docs/api
provider    cfut_               alnum   40+     prefix  developers.cloudflare.com/fundamentals/api
provider    cfat_               alnum   40+     prefix  developers.cloudflare.com/fundamentals/api
provider    cfk_                alnum   40+     mixed   developers.cloudflare.com/fundamentals/api
provider    pat-na1-            dash    36      prefix  developers.hubspot.com/docs/apps
provider    pat-na2-            dash    36      prefix  developers.hubspot.com/docs/apps
provider    pat-eu1-            dash    36      prefix  developers.hubspot.com/docs/apps
provider    pat-ap1-            dash    36      prefix  developers.hubspot.com/docs/apps
provider    glc_                base64  32+     prefix  grafana.com/docs/grafana-cloud
provider    glsa_               word    41      prefix  grafana.com/docs/grafana
provider    eyJrIjoi            base64  40+     prefix  grafana.com/docs/grafana
provider    tskey-              dash    20+     glued   tailscale.com/kb/1277/key-prefixes
provider    dnkey-              dash    60+     mixed   docs.defined.net
provider    nfp_                alnum   36+     prefix  docs.netlify.com/api
provider    nfc_                alnum   36+     prefix  docs.netlify.com/api
provider    nfo_                alnum   36+     prefix  docs.netlify.com/api
provider    nfu_                alnum   36+     prefix  docs.netlify.com/api
provider    bkua_               alnum   40      prefix  buildkite.com/docs/apis
provider    bkaj_               dash    20+     mixed   buildkite.com/docs/apis
provider    bkct_               dash    20+     mixed   buildkite.com/docs/apis
provider    sq0atp-             dash    22      prefix  developer.squareup.com/docs
provider    sq0csp-             dash    43      prefix  developer.squareup.com/docs
provider    sq0idp-             dash    22      prefix  developer.squareup.com/docs
provider    EAAA                dash    60      whole   developer.squareup.com/docs
provider    EAAM                alnum   100+    mixed   developers.facebook.com/docs
provider    EAAC                alnum   100+    mixed   developers.facebook.com/docs
provider    EAAG                alnum   100+    mixed   developers.facebook.com/docs
provider    EAAB                alnum   100+    mixed   developers.facebook.com/docs
provider    EAAI                alnum   100+    mixed   developers.facebook.com/docs
provider    IGQV                dash    100+    mixed   developers.facebook.com/docs
provider    IGAA                alnum   100+    mixed   developers.facebook.com/docs
provider    rzp_live_           alnum   14+     prefix  razorpay.com/docs/api
provider    rzp_test_           alnum   14+     prefix  razorpay.com/docs/api
provider    access-production-  hexdash 36      mixed   plaid.com/docs/api
provider    access-sandbox-     hexdash 36      mixed   plaid.com/docs/api
provider    access-development- hexdash 36      mixed   plaid.com/docs/api
provider    pdl_live_apikey_    word    45+     mixed   developer.paddle.com/api-reference
provider    pdl_sdbx_apikey_    word    45+     mixed   developer.paddle.com/api-reference
provider    polar_oat_          word    40+     mixed   polar.sh/docs
provider    polar_pat_          word    40+     mixed   polar.sh/docs
provider    tfp_                dash    40-60   prefix  www.typeform.com/developers
provider    sdk-                dash    36      mixed   launchdarkly.com/docs/home
provider    mob-                dash    36      mixed   launchdarkly.com/docs/home
provider    secret-             alnum   43      mixed   docs.statsig.com
provider    kpat_               alnum   40+     mixed   docs.konghq.com
provider    api-                dash    36      mixed   launchdarkly.com/docs/home
provider    NRII-               dash    20+     prefix  docs.newrelic.com/docs/apis
provider    NRIQ-               dash    20+     prefix  docs.newrelic.com/docs/apis
provider    NRAK-               alnum   27      prefix  docs.newrelic.com/docs/apis
provider    NRJS-               alnum   19      prefix  docs.newrelic.com/docs/apis
provider    NRBR-               alnum   19      prefix  docs.newrelic.com/docs/apis
provider    NRRA-               alnum   42      prefix  docs.newrelic.com/docs/apis
provider    NRAA-               alnum   27      prefix  docs.newrelic.com/docs/apis
provider    hvs.                dash    24+     prefix  developer.hashicorp.com/vault/docs
provider    hvb.                dash    24+     prefix  developer.hashicorp.com/vault/docs
provider    hvr.                dash    24+     prefix  developer.hashicorp.com/vault/docs
provider    s.                  alnum   24      mixed   developer.hashicorp.com/vault/docs
provider    b.                  alnum   90+     mixed   developer.hashicorp.com/vault/docs
provider    .atlasv1.           base64  60+     glued   developer.hashicorp.com/terraform
provider    dckr_pat_           dash    27      glued   docs.docker.com/security
provider    dckr_oat_           dash    32      prefix  docs.docker.com/security
provider    figd_               dash    40+     prefix  www.figma.com/developers/api
provider    figo_               dash    40+     prefix  www.figma.com/developers/api
provider    figp_               dots    40+     prefix  www.figma.com/developers/api
provider    figr_               dash    40+     prefix  www.figma.com/developers/api
provider    pscale_pw_          dots    32+     prefix  planetscale.com/docs
provider    pscale_tkn_         dots    32+     prefix  planetscale.com/docs
provider    pscale_oauth_       dots    32+     prefix  planetscale.com/docs
provider    AVNS_               dash    19+     mixed   aiven.io/docs
provider    mdb_sa_sk_          dash    40+     mixed   www.mongodb.com/docs/atlas
provider    CCDB1_              word    60+     mixed   www.cockroachlabs.com/docs
provider    fo1_                dash    43      prefix  fly.io/docs/security/tokens
provider    fm1a_               base64  40+     prefix  fly.io/docs/security/tokens
provider    fm1r_               base64  40+     prefix  fly.io/docs/security/tokens
provider    fm2_                base64  40+     prefix  fly.io/docs/security/tokens
provider    sntrys_             base64  40+     prefix  docs.sentry.io/account/auth-tokens
provider    sntryu_             hex     64      prefix  docs.sentry.io/account/auth-tokens
provider    sntryi_             hex     64      prefix  docs.sentry.io/account/auth-tokens
provider    shpat_              dash    32+     prefix  shopify.dev/docs/apps/auth
provider    shpca_              dash    32+     prefix  shopify.dev/docs/apps/auth
provider    shppa_              dash    32+     prefix  shopify.dev/docs/apps/auth
provider    shpss_              dash    32+     prefix  shopify.dev/docs/apps/auth
provider    shpua_              dash    32+     prefix  shopify.dev/docs/apps/auth
provider    shptka_             dash    32+     prefix  shopify.dev/docs/apps/auth
provider    shpltm_             dash    40      prefix  shopify.dev/docs/apps/auth
provider    shprt_              dash    32+     prefix  shopify.dev/docs/apps/auth
provider    prtapi_             alnum   32+     mixed   shopify.dev/docs/api/partner
provider    sgp_                word    40-64   mixed   sourcegraph.com/docs/cli
provider    slk_                hex     64      whole   sourcegraph.com/docs/cli
provider    sgd_                hex     64      whole   sourcegraph.com/docs/cli
provider    dop_v1_             hex     64      prefix  docs.digitalocean.com/reference/api
provider    doo_v1_             hex     64      prefix  docs.digitalocean.com/reference/api
provider    dor_v1_             hex     64      prefix  docs.digitalocean.com/reference/api
provider    pul-                hex     40+     mixed   www.pulumi.com/docs
provider    rubygems_           hex     48      whole   guides.rubygems.org/api-key-scopes
provider    oy2                 lower   43      whole   learn.microsoft.com/nuget
provider    cio                 alnum   32      whole   doc.rust-lang.org/cargo
provider    shippo_live_        HEX     40      prefix  docs.goshippo.com
provider    shippo_test_        HEX     40      prefix  docs.goshippo.com
provider    xkeysib-            dash    40+     mixed   developers.brevo.com
provider    xsmtpsib-           dash    40+     mixed   developers.brevo.com
provider    key-                hex     32      whole   documentation.mailgun.com
provider    pubkey-             hex     32      whole   documentation.mailgun.com
provider    md-                 dash    22      whole   mailchimp.com/developer/transactional
provider    re_                 word    28-40   mixed   resend.com/docs
provider    mlsn.               hex     64      whole   developers.mailersend.com
provider    lin_api_            alnum   40      prefix  linear.app/developers
provider    lin_oauth_          alnum   40+     prefix  linear.app/developers
provider    ntn_                alnum   20+     mixed   developers.notion.com
provider    secret_             alnum   40+     mixed   developers.notion.com
provider    phx_                word    20+     mixed   posthog.com/docs/api
provider    phs_                word    20+     mixed   posthog.com/docs/api
provider    hcaik_              lower   58      mixed   docs.honeycomb.io
provider    hcxik_              lower   58      mixed   docs.honeycomb.io
provider    hcaml_              lower   58      mixed   docs.honeycomb.io
provider    hcamk_              lower   58      mixed   docs.honeycomb.io
provider    pnu_                alnum   20+     mixed   docs.prefect.io
provider    pnb_                alnum   20+     mixed   docs.prefect.io
provider    rdme_               alnum   20+     mixed   docs.readme.com
provider    rootly_             hex     64      whole   docs.rootly.com
provider    ops_eyJ             base64  40+     prefix  developer.1password.com
provider    A3-                 dash    30-40   mixed   developer.1password.com
provider    ATATT3              base64  40+     prefix  support.atlassian.com
provider    ATCTT3              base64  40+     prefix  support.atlassian.com
provider    ATBB                alnum   32      whole   support.atlassian.com
provider    BBDC-               base64  40-50   mixed   confluence.atlassian.com
provider    AGE-SECRET-KEY-1    alnum   58      glued   age-encryption.org
provider    CFPAT-              dash    43      prefix  www.contentful.com/developers
provider    HRKU-               dash    36+     mixed   devcenter.heroku.com
provider    PMAK-               dash    59      mixed   learning.postman.com
provider    PMAT-               alnum   26      mixed   learning.postman.com
provider    flp_                alnum   20+     mixed   docs.flox.dev
provider    ico-                alnum   20+     mixed   www.infracost.io/docs
provider    LTAI                alnum   17-24   mixed   www.alibabacloud.com/help
provider    AKID                alnum   32      mixed   cloud.tencent.com/document
provider    AQVN                dash    35+     mixed   yandex.cloud/docs/iam
provider    y0_                 dash    50+     mixed   yandex.com/dev/id/doc
provider    t1.                 dots    88+     mixed   yandex.cloud/docs/iam
provider    p8e-                lower   32      prefix  developer.adobe.com
provider    duffel_test_        dots    43      prefix  duffel.com/docs/api
provider    duffel_live_        dots    43      prefix  duffel.com/docs/api
provider    dp.pt.              alnum   40-44   prefix  docs.doppler.com
provider    dp.ct.              alnum   40-44   prefix  docs.doppler.com
provider    dp.st.              dots    40-80   prefix  docs.doppler.com
provider    dp.sa.              alnum   40-44   prefix  docs.doppler.com
provider    dp.scim.            alnum   40-44   prefix  docs.doppler.com
provider    dp.audit.           alnum   40-44   prefix  docs.doppler.com
provider    dt0c01.             dots    80-90   prefix  docs.dynatrace.com
provider    dt0s16.             dots    80-90   prefix  docs.dynatrace.com
provider    dt0s01.             dots    60-90   prefix  docs.dynatrace.com
provider    dt0s02.             dots    60-90   prefix  docs.dynatrace.com
provider    EZAK                alnum   54      whole   docs.easypost.com
provider    EZTK                alnum   54      whole   docs.easypost.com
provider    FLWSECK_TEST-       dash    12+     prefix  developer.flutterwave.com
provider    FLWSECK-            dash    30+     prefix  developer.flutterwave.com
provider    FLWPUBK_TEST-       dash    30+     prefix  developer.flutterwave.com
provider    fio-u-              dots    64      prefix  developer.frame.io
provider    sl.u.               dash    100+    mixed   www.dropbox.com/developers
provider    sl.                 dash    100+    mixed   www.dropbox.com/developers
provider    api_live.           dots    40+     mixed   documentation.onfido.com
provider    api_sandbox.        dots    40+     mixed   documentation.onfido.com
provider    AKCp                alnum   60-69   whole   jfrog.com/help
provider    cmVmd               alnum   59      whole   jfrog.com/help
provider    CLOJARS_            lower   60      prefix  clojars.org/tokens
provider    4b1d                alnum   38      whole   docs.codecov.com
provider    sha256~             dash    43      prefix  docs.openshift.com
provider    API-                upper   25-32   mixed   octopus.com/docs
provider    sm_pat_             alnum   16      prefix  console.settlemint.com
provider    sm_aat_             alnum   16      prefix  console.settlemint.com
provider    sm_sat_             alnum   16      prefix  console.settlemint.com
provider    tk-us-              dash    48      prefix  docs.scalingo.com
provider    s-s4t2ud-           hex     64      prefix  api.intra.42.fr
provider    s-s4t2af-           hex     64      prefix  api.intra.42.fr
provider    squ_                alnum   40      mixed   docs.sonarsource.com
provider    sqp_                alnum   40      mixed   docs.sonarsource.com
provider    sqa_                alnum   40      mixed   docs.sonarsource.com
provider    sqco_               alnum   59      whole   docs.sonarsource.com
provider    snyk_uat.           dots    40+     prefix  docs.snyk.io
provider    CCIPAT_             word    60+     prefix  circleci.com/docs
provider    CCIPRJ_             word    60+     prefix  circleci.com/docs
provider    ddp_                alnum   36      mixed   docs.datadoghq.com
provider    ddw_                alnum   36      mixed   docs.datadoghq.com
provider    aio_                alnum   28      mixed   io.adafruit.com/api
provider    VF.                 dots    40+     mixed   docs.voiceflow.com
provider    BBFF-               alnum   30      mixed   docs.ubidots.com
provider    rh-api-             dash    36      mixed   docs.rapidapi.com
provider    ramp_sec_           alnum   48      prefix  docs.ramp.com
provider    live_               HEX     32-35   whole   docs.lob.com
provider    test_               HEX     35      whole   docs.lob.com
provider    ak_live_            alnum   30      prefix  docs.apideck.com
provider    pk_live_            alnum   20+     mixed   docs.stripe.com/keys
provider    sk.ey               dots    60+     prefix  docs.mapbox.com
provider    tk.ey               dots    60+     prefix  docs.mapbox.com
provider    sub-c-              dash    36      mixed   www.pubnub.com/docs
provider    sec-c-              base64  36+     mixed   www.pubnub.com/docs
provider    pub-c-              dash    36      mixed   www.pubnub.com/docs
provider    endr+               dash    16      prefix  docs.endorlabs.com
provider    ls__                hex     32      whole   docs.smith.langchain.com
provider    ory_at_             dots    40+     prefix  www.ory.sh/docs
provider    ory_pat_            dots    32      prefix  www.ory.sh/docs
provider    cal_live_           hex     32      mixed   cal.com/docs/api-reference
provider    dub_                alnum   24      mixed   dub.co/docs/api-reference
provider    nyk_v0_             alnum   60+     mixed   developer.nylas.com/docs
provider    lip_                alnum   20+     mixed   lichess.org/api
provider    tss_                alnum   40+     mixed   thunderstore.io/api/docs
provider    vtwn_               alnum   27      mixed   docs.val.town
provider    ddo_                alnum   36      mixed   docs.deno.com/deploy
provider    m0-                 alnum   40      mixed   docs.mem0.ai
provider    opk_                hex     42      mixed   docs.openpipe.ai
provider    up_                 alnum   29      mixed   console.upstage.ai/docs
provider    ck-                 alnum   40+     mixed   docs.trychroma.com
provider    tpuf_               alnum   40+     mixed   turbopuffer.com/docs
provider    hl_sk_              hex     48      mixed   humanloop.com/docs
provider    tl_                 hex     64      whole   www.traceloop.com/docs
provider    v2x                 hex     64      whole   developers.bitgo.com/api
provider    NF-                 alnum   32      mixed   help.nightfall.ai
provider    nsec1               lower   58      whole   nostr.com
provider    xprv                alnum   100+    mixed   en.bitcoin.it/wiki/BIP_0032
provider    sk-let-             dash    40+     mixed   docs.letta.com
provider    sk_car_             alnum   20+     mixed   docs.cartesia.ai
provider    sk_dev_             dash    40+     mixed   liveblocks.io/docs
provider    pk_                 hex     34      whole   developers.klaviyo.com
provider    pk_prod_            upper   28      mixed   www.courier.com/docs
provider    sbp_oauth_          hex     40      mixed   supabase.com/docs/guides/api
provider    dbtc_               dash    36+     mixed   docs.getdbt.com/docs
provider    dbtu_               dash    36+     mixed   docs.getdbt.com/docs
provider    amzn.mws.           hexdash 36      prefix  developer-docs.amazon.com
provider    sq0csb-             dash    43      prefix  developer.squareup.com/docs
provider    link-production-    hexdash 36      mixed   plaid.com/docs/api
provider    link-sandbox-       hexdash 36      mixed   plaid.com/docs/api
provider    dG9rO               base64  50-64   whole   developers.intercom.com
provider    5Aep861             dots    76+     mixed   help.salesforce.com
provider    cflt                base64  60      mixed   docs.confluent.io
provider    st.                 dots    95+     mixed   infisical.com/docs
provider    secret-live-        base64  36+     mixed   stytch.com/docs
provider    secret-test-        base64  36+     mixed   stytch.com/docs
provider    console-            alnum   40+     mixed   docs.statsig.com
provider    salad_cloud_        word    20+     mixed   docs.salad.com
provider    flb_live_           alnum   20+     mixed   flat.io/developers/docs
provider    polar_whs_          alnum   32+     mixed   docs.polar.sh
provider    unkey_              alnum   16+     mixed   www.unkey.com/docs
provider    secret_admin_       alnum   20+     mixed   docs.growthbook.io
provider    secret_user_        alnum   20+     mixed   docs.growthbook.io
provider    secret_readonly_    alnum   20+     mixed   docs.growthbook.io
provider    configcat-sdk-1/    base64  45      prefix  configcat.com/docs
provider    z_1d                dots    60+     mixed   help.getzep.com
provider    zut_                dash    32+     mixed   docs.vectara.com
provider    zwt_                dash    32+     mixed   docs.vectara.com
provider    zqt_                dash    32+     mixed   docs.vectara.com
provider    nk-                 dash    43      mixed   docs.nomic.ai
provider    mxb_                alnum   40      mixed   www.mixedbread.com/docs
provider    emb_                hex     48      whole   www.mixedbread.com/docs
provider    pai-                hexdash 36      mixed   docs.parea.ai
provider    mb_                 base64  40+     mixed   www.metabase.com/docs
provider    hxtp_               hex     40+     mixed   learn.hex.tech/docs
provider    retool_01           lower   20+     mixed   docs.retool.com
provider    n8n_api_            alnum   40+     mixed   docs.n8n.io/api
provider    ptr_                base64  43-44   mixed   docs.portainer.io
provider    dnsimple_u_         alnum   32+     mixed   developer.dnsimple.com
provider    dnsimple_a_         alnum   32+     mixed   developer.dnsimple.com
provider    cu_                 hex     32      whole   www.checklyhq.com/docs
provider    sktsec_             dash    30+     prefix  docs.socket.dev
provider    QN_                 hex     32      whole   www.quicknode.com/docs
provider    v1.                 hex     40      whole   docs.github.com/authentication
provider    samsara_api_        alnum   30      mixed   developers.samsara.com
provider    luma-               hexdash 60+     mixed   docs.lumalabs.ai
provider    depot_org_          hex     64      mixed   depot.dev/docs
provider    depot_project_      hex     64      mixed   depot.dev/docs
provider    depot_user_         hex     64      mixed   depot.dev/docs
provider    zpka_               word    30+     mixed   zuplo.com/docs
provider    pit-                hexdash 36      mixed   highlevel.stoplight.io
provider    tsec_               alnum   40+     mixed   www.tigrisdata.com/docs
provider    inference-          hex     32      whole   docs.inference.net
google      4/0                 dash    60+     mixed   developers.google.com/identity
"""


class Provider(NamedTuple):
    """One line of the table.

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


def _row(line: str) -> Provider:
    rule, prefix, alphabet, length, reading, docs = line.split()
    least, _, most = length.rstrip("+").partition("-")
    longest = None if length.endswith("+") else int(most or least)
    return Provider(rule, prefix, alphabet, int(least), longest, reading, docs)


def providers() -> list[Provider]:
    """Return the table."""
    return [_row(line) for line in _TABLE.strip().splitlines()]
