"""The words of secret names, as data: to add a name, add a word to a list.

A word is an expression, in lower case and without accents; `_?` stands where two words may be
written together. A name is secret if a word of a list is in it as a whole word: `db_password`,
`userPassword`. What only tells about a secret is listed in `ABOUT`.

`HINTS` dismisses most names at once: a new word needs a part of itself there.
"""

from __future__ import annotations

PASSWORDS = """
    [a-z]*pass_?(?:word|wd|phrase|code)s? pwds? pswd psk passwd pass_?w pw
    (?:admin|app|auth|bind|database|db|email|ftp|http|imap|jdbc|key|ldap|login|mail|mongo|mqtt|my
      |mysql|pg|postgres|proxy|rabbitmq|redis|root|sftp|smtp|sql|ssh|store|sudo|user|vpn|wifi
      |wlan)_?pass (?:admin|db|root|user)_?pw requirepass
    pass_?phrase [a-z]*passwor[dt]e?s? [a-z]*kennwort [a-z]*passwort mot_?(?:de_?)?passe mdp
    contrasenas? clave_?(?:secreta|acceso|privada|api|de_acceso)? senhas? palavra_?passe
    parola(?:_d_ordine)? wachtwoord haslo losenord adgangskode passord salasana heslo
    jelszo sifre parole? пароль пароли 密码 密碼 口令 パスワード 暗証番号 비밀번호 암호
    κωδικός סיסמה كلمة_المرور كلمة_السر पासवर्ड mat_khau kata_sandi katasandi รหัสผ่าน
"""
SECRETS = """
    [a-z]*secrete?s? mnemonic seed_?phrase seed_?words geheimnis secreto segreto segredo geheim
    sekret
    recovery_?phrase 秘密 密钥 密鑰 シークレット 비밀 секрет
"""
COOKIES = """
    (?:session|http)?cookies? jsessionid phpsessid connect_?sid sessid asp_net_session_id
    laravel_session
"""
AUTHORIZATIONS = "(?:proxy)?authori[sz]ation (?:basic|http)?auth(?=$|_header|_value|_hash|_string)"
CREDENTIALS = (
    "credentials? creds? cred zugangsdaten anmeldedaten credenciales credenziali credenciais"
    " identifiants"
)
CONNECTIONS = "dsn conn(?:ection)?_?str(?:ing)?s? sas_?url(?:s)?"
CODES = """
    t?otp mfa_?code (?:access|door|unlock)_?code cvv cvc ssn pin(?=$|_code|_number)
    (?:backup|recovery|security|two_factor|verification
      |mfa|one_time)_?codes? social_?security(?:_number)? card_?number credit_?card iban
"""
# What a key opens, or who issues it: `<owner>_key`.
KEY_OWNERS = """
    access account admin api app application auth aws azure client consumer customer decryption
    deploy
    encryption enc developer gpg hmac host hosted integration license licence master pgp priv
    private
    project rest root rsa secret server service session shared shared_access sign signing
    signature ssh
    ssl stripe storage subscription tls user webhook write read pem jwt cipher crypto aes des bot
    cert
    artifactory cloudant ibm jfrog softlayer adafruit adobe ai21 airtable algolia alibaba alchemy
    amplitude anthropic anyscale apify apollo asana
    assemblyai atlassian auth0 baseten beehiiv bing birdeye bitbucket braintree braintrust brave
    brevo
    browserbase buildkite bunny cartesia cerebras circleci claude clerk clickhouse cloudflare
    cloudinary
    cohere coinbase confluent contentful coze datadog dashscope databricks deepgram deepinfra deepl
    deepseek digitalocean discord docker doppler dropbox e2b elastic elasticsearch elevenlabs
    etherscan
    exa facebook fal fastly figma finnhub firebase firecrawl fireworks flutterwave freshdesk
    friendli
    gemini giphy github gitlab google grafana groq helicone heroku hf honeycomb honeyhive hubspot
    huggingface hyperbolic infura intercom ipinfo jina jira kagi langchain langfuse langsmith
    launchdarkly lepton linear linkedin litellm llama llamacloud llm lmnt logfire looker mailchimp
    mailgun mandrill mapbox maps maxmind meta mistral mixpanel modal moonshot netlify newrelic
    new_relic ngrok nomic notion novita npm nvidia octoai okta ollama omdb opencage openai
    openrouter
    openweather openweathermap opsgenie pagerduty paypal perplexity pinecone plaid polygon portkey
    posthog postman postmark prefect pulumi pusher qdrant qwen rapidapi razorpay reka render
    replicate
    resend roboflow rollbar runpod salesforce sambanova scrapingbee segment sendgrid sentry serp
    serpapi serper shippo shodan shopify siliconflow slack snowflake snyk sonar sourcegraph spotify
    square stability stabilityai supabase tavily telegram tencent together trello turbopuffer twilio
    twitch twitter typeform typesense unsplash unstructured upstage upstash vercel vertex virustotal
    volcengine voyage vultr wandb weather weatherapi weaviate wolfram woocommerce workos writer xai
    xi yandex yelp you youtube zapier zendesk zhipu zhipuai
"""
# What a token is for, or who issues it: `<issuer>_token`.
ISSUERS = """
    access api app apple auth authentication bearer bot bots ca challenge ci client crates csrf
    csrfmiddleware deploy
    device discord fcm gh git github gitlab google gql heroku hf hub huggingface id identity install
    invite jira jwt login magic_link management mfa mapbox notion npm oauth
    password_reset personal personal_access push pypi refresh registration remember replicate
    request reset
    runner sas secret security sentry service service_account session signed slack sonar
    sts temporary telegram tfe twilio user vault verification web webhook x xsrf zapier
"""

# Secret by one of its words, but the name of something else: in English the last word decides.
ABOUT = r"""_(?:address|alg|algorithm|algo|arn|at|attempts?|audience|banner|blank|budget|cache
        |changed|chars|class
      |column|consent|costs?|counts?|created|date|days|desc|description|details?|dir|domain
      |embeddings?
      |enabled|encoding|endpoint|env|errors?|exchange|exists|expir(?:ation|es|y)|expires_(?:at
      |in)|factory|failed|fd|field
      |file|filename|fingerprint|flow|form|format|func|function|fn|handler|hashers?|help|identit(?:y|ies)|ids?|index|info
      |issued|issuer|kind|label
      |latency|len|length|level|lifetime|limits?|link|list|logprobs?|loss|manager|mask|max
      |message|method|metadata
      |middleware|min|missing
      |mode|model|names?|number_of|offset|page|path|pattern|placeholder|policy|popup|position
      |prefix|present|price
      |prob(?:abilitie)?s?|probability|prompt|property|provider|rank|rates?|ratio|reader|regex
      |remaining|required|requirements?
      |reset|rotation|rules?|santa|schema|scheme|scopes?|score|set|settings?|shape|size|source
      |spans?|start|state|stats
      |status|store|stream|strategy|strength|suffix|text|texts|threshold|throughput|time|timeout
      |ttl|types?|updated
      |uri|url|urls|usage|used|valid|validation|validators?|version|view|warning|weights?|window
      |words)$
    | (?:^|_)hint$ | ^(?:accept|allow|no|num|has|is|needs|needed|requires?|use|uses|with|without
    |enable|disable|forgot|show|hide|reject
      |total|max|min|n|avg|average)_
    | ^(?:[a-z_]+_)?(?:added|attention|audio|avg|begin|blank|bos|cached|class|cls|completion
    |continuation|continue|current
      |cursor|decoder|decoded|delta|draft|each|end|eos|eot|fake|first|generated|image|input|last
      |lex|mask|max|min|new|next
      |next_page|num|oov|output|pad|padding|page|pagination
      |parser|per|pivot|prefix|prev|previous|prompt|reasoning|resume|sep|separator|single|skip
      |special|start|stop
      |sub|suffix|sync|target|text|thinking|top|total|unk|unknown|used|video|vision|vocab|word
      |img|speech)_tokens?$
    | ^(?:token|key)_str$ | ^(?:santa|secret_(?:santa|sauce|garden|service|ingredient))$
    | (?:^|_)author(?:ization_(?:code|server|endpoint|url))?$ | ^code_?pass$"""
# What a key is of that is not a secret: `cache_key`, `primary_key`.
PLAIN_KEYS = """
    accelerator alt answer aria array arrow attr bar base black block bucket by cache candidate
    car category cfg chart child chord claim class cluster col color colour column combo compare
    component composite compound cond condition config content context copy count country cross
    ctrl cursor data dataset db dedup dedupe default delete dict dictionary distribution doc
    document dom down download dynamic edge element end enter entity entry env error escape
    event extra feature feed field file first foreign form function group grouping hash hot
    house idempotency idx image index input item join json jump keyboard label lang language
    last left legend line list locale lock lookup low main map message meta metadata metric min
    model monitor name namespace natural new next node object old on option order output page
    parameter parent part partition path piano pixel plot point press prev primary problem
    product prop property pub public publishable query queue range record ref reference relation
    result return reverse right room route routing row rule s3 schema score search section
    select sequence series set setting shift shortcut skip slot sort source space spatial
    special start state status step stop store str string style sub super surrogate symbol tab
    table tag target task template text theme thread time topic trace translation tree trigger
    turn type unique up url value values var view widget with word world x y z
"""

# Words that may be the last of a name of several words: `API key`, `security code`.
LAST_WORDS = """
    key keys code codes token tokens passe phrase pass secreta string id word pat secret
    number acceso api secrète is ist est es è é provided
"""
# Types that may be between a name and its value: `var token string = "…"`.
TYPE_WORDS = """
    string String str bytes byte text TEXT VARCHAR varchar char NSString SecureString Text
    Object object any auto const val
"""

HINTS = (
    "pass|pw|pswd|psk|cookie|sess|connect|auth|cred|dsn|conn|key|pat|otp|code|cvv|cvc|ssn|pin"
    "|iban|sas|sid|social|card|secre|sekret|geheim|seg|mnemonic|seed|token|jwt|bearer|csrf|xsrf|recovery"
    "|kenn|wort|mdp|contrase|clave|senha|palavra|parol|wacht|haslo|losen|adgang|salas|heslo|jelsz|ifre"
    "|zugang|anmelde|identifiant|schl|cle|chave|chiave|kata"
)
