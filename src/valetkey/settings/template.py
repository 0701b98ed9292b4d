"""The settings file that is made at the first start: everything there is, commented out."""

TEMPLATE = """\
# Settings of this Valetkey. Read once at start; nothing here is taken from the environment.

# Where people and clients reach this server. Needed when it listens beyond this machine,
# and by providers that refuse plain http (Slack). The redirect URI that you register at a
# provider is <public_url>/callback/<registration>; `valetkey doctor` prints each one.
# public_url = "https://valetkey.example.com"

# Names under which requests may arrive, besides public_url's own.
# allowed_hosts = ["valetkey.internal:8080"]

# A PostgreSQL database instead of the embedded store, for servers on several machines:
# pip install 'valetkey[postgres]', and the same key file on each of them.
# store = "postgresql://valetkey:password@db.internal/valetkey"

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
"""
