"""The settings file that is made at the first start: everything there is, commented out."""

TEMPLATE = """\
# Settings of this Valetkey. Read once at start; nothing here is taken from the environment.

# Where people and clients reach this server. Needed when it listens beyond this machine,
# and by providers that refuse plain http (Slack). The redirect URI that you register at a
# provider is <public_url>/callback/<registration>; `valetkey doctor` prints each one.
# public_url = "https://valetkey.example.com"

# Names under which requests may arrive, besides public_url's own.
# allowed_hosts = ["valetkey.internal:8080"]

# Where reverse proxies are, besides this machine: their sockets are many people's, and
# `limits.sockets_per_address` is not for them.
# trusted_proxies = ["127.0.0.0/8", "::1/128", "10.0.0.5/32"]

# No other process of this account may look into the server's memory: Linux only.
# traceable = false

# A PostgreSQL database instead of the embedded store, for servers on several machines:
# pip install 'valetkey[postgres]', and the same key file on each of them.
# store = "postgresql://valetkey:password@db.internal/valetkey"
# store_password_file = "/run/secrets/db_password"

# Where a server over stdio shows its pages while nobody runs `valetkey serve`.
# callback_port = 8917

# Folders with connectors of your own, and those among them whose Python hooks may run.
# manifests = ["connectors"]
# allow_hooks = []

# For trying things out: send a provider's requests to this machine instead (the sandbox).
# A token obtained this way opens only under the same override.
# [hosts]
# "https://gmail.googleapis.com" = "http://127.0.0.1:4101"

# Endpoints that show some of the tools, at /mcp/NAME. /mcp shows all of them; /mcp/flat too,
# with names that have no dots, for clients whose models take none.
# [endpoints.readonly]
# effects = ["read"]
# connectors = ["gmail", "slack"]
# tools = []
# names = "underscore"

# The way out. `allow` names private hosts that may be reached, each with the network that
# its address has to lie in.
# [egress]
# proxy = "http://proxy.internal:3128"
# ca_bundle = "/etc/ssl/certs/internal.pem"
# [egress.allow]
# "https://gitlab.corp.example" = "10.1.2.0/24"

# Where the root key is that opens the store: in a "file", the "environment", a "passphrase", the
# desktop's "keyring", "transit" or "aws_kms". `valetkey keys move` takes it from one to another.
# [key]
# source = "file"
# file = "key"
# variable = "VALETKEY_KEY"
# passphrase_file = "/run/credentials/valetkey.service/passphrase"
# keyring_entry = "root key"
# [key.transit]
# url = "https://openbao.internal:8200"
# mount = "transit"
# key = "valetkey"
# token_file = "transit-token"
# [key.aws_kms]
# key = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

# Clients whose id is the address of their metadata, which is then fetched: "on" or "off".
# [clients]
# cimd = "on"

# How much one caller or one person may take. What is not named here stays as it is.
# [limits]
# calls_per_minute = 120
# burst = 60
# provider_calls_per_minute = 6000
# connections = 100
# browsers = 50
# clients = 200
# sockets = 4096
# sockets_per_address = 100

# Issuers other than this server whose access tokens count here, and where people may sign in.
# `valetkey issuers check NAME` says what was found there; a client's secret is never in this file:
# `valetkey issuers secret NAME --stdin` seals it.
# [issuers.corp]
# url = "https://login.corp.example/acme"
# audience = "https://valetkey.example.com/mcp"
# subject_claims = ["sub"]
# algorithms = ["RS256"]
# skew = 30
# exchange_audiences = []
# id_jag = false
# [issuers.corp.sign_in]
# client_id = "valetkey"
# scopes = ["openid", "profile"]
# [issuers.corp.introspection]
# client_id = "valetkey"

# Who is told before something breaks. People give an address of their own on their page; the
# mail server's password is sealed by `valetkey notify password --stdin`, and never stands here.
# [notify]
# operator = "ops@example.com"
# [notify.smtp]
# host = "smtp.example.com"
# port = 587
# security = "starttls"
# username = "valetkey"
# sender = "valetkey@example.com"
# [notify.webhook]
# url = "https://hooks.example.com/valetkey"
# people = false

# The operator's own port: /metrics, /healthz and /readyz with their reasons. Not for the internet.
# [operator]
# listen = "127.0.0.1:9917"
# drain = 0

# What is written to stderr: "text" or "json", from which level on.
# [logs]
# format = "text"
# level = "warning"
"""
