-- Types are TEXT, BIGINT and BYTEA alone, so that one text serves SQLite and PostgreSQL.
-- Times are epoch milliseconds. Lists are JSON arrays. Secrets are in `sealed` and nowhere else.
-- `mac` binds a row that carries authority to what it says (vault.rows): without it the row is not there.

CREATE TABLE keks (
  id       TEXT PRIMARY KEY,
  state    TEXT NOT NULL CHECK (state IN ('active', 'decrypt_only', 'retired')),
  created  BIGINT NOT NULL,
  wrapped  BYTEA NOT NULL
);

-- Every secret: tokens, client secrets, pending flows, server keys, account labels, audited arguments.
CREATE TABLE sealed (
  purpose  TEXT NOT NULL,
  id       TEXT NOT NULL,
  version  BIGINT NOT NULL,
  bound    TEXT NOT NULL,
  kek      TEXT NOT NULL REFERENCES keks (id),
  dek      BYTEA NOT NULL,
  content  BYTEA NOT NULL,
  PRIMARY KEY (purpose, id)
);
CREATE INDEX sealed_by_kek ON sealed (kek);

-- `until`: when what a `verify_only` key signed is accepted no longer; NULL: for ever.
CREATE TABLE server_keys (
  kid      TEXT PRIMARY KEY,
  purpose  TEXT NOT NULL,
  state    TEXT NOT NULL CHECK (state IN ('active', 'verify_only')),
  created  BIGINT NOT NULL,
  until    BIGINT
);
CREATE UNIQUE INDEX server_keys_active ON server_keys (purpose) WHERE state = 'active';

-- Our own people (issuer `local`, who sign in by name) and those that other issuers vouch for.
CREATE TABLE people (
  issuer    TEXT NOT NULL,
  subject   TEXT NOT NULL,
  name      TEXT NOT NULL,
  password  TEXT,
  owner     BIGINT NOT NULL,
  created   BIGINT NOT NULL,
  mac       TEXT NOT NULL,
  PRIMARY KEY (issuer, subject)
);
CREATE UNIQUE INDEX people_of_ours ON people (name) WHERE issuer = 'local';

-- A person's passkeys: public keys, each for one host (WebAuthn's relying party), and how often it signed.
CREATE TABLE passkeys (
  id          TEXT PRIMARY KEY,
  issuer      TEXT NOT NULL,
  subject     TEXT NOT NULL,
  host        TEXT NOT NULL,
  credential  TEXT NOT NULL UNIQUE,
  public_key  BYTEA NOT NULL,
  count       BIGINT NOT NULL,
  name        TEXT NOT NULL,
  created     BIGINT NOT NULL,
  used        BIGINT,
  mac         TEXT NOT NULL
);
CREATE INDEX passkeys_of_principal ON passkeys (issuer, subject);

CREATE TABLE invitations (
  digest   TEXT PRIMARY KEY,
  subject  TEXT NOT NULL,
  until    BIGINT NOT NULL,
  used     BIGINT,
  mac      TEXT NOT NULL
);

-- OAuth clients, which is what agents are. `named`: by the operator; `dynamic`: by RFC 7591; `document`: its
-- id is the URL of its metadata; `foreign`: known to another issuer. `metadata` is a JSON object.
CREATE TABLE agents (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL,
  kind       TEXT NOT NULL CHECK (kind IN ('named', 'dynamic', 'document', 'foreign')),
  metadata   TEXT NOT NULL,
  secret     TEXT,
  created    BIGINT NOT NULL,
  used       BIGINT NOT NULL,
  suspended  BIGINT,
  mac        TEXT NOT NULL
);
CREATE UNIQUE INDEX agents_named ON agents (name) WHERE kind = 'named';

-- A row behind every token and cookie we issue, read on each use.
-- `token`: minted by the operator; `client`: a client that a person signed in, with all of its refresh
-- tokens; `exchanged`: of an agent (RFC 8693), under a grant and maybe a parent, with which it ends.
CREATE TABLE sessions (
  id         TEXT PRIMARY KEY,
  kind       TEXT NOT NULL CHECK (kind IN ('token', 'browser', 'client', 'exchanged')),
  digest     TEXT UNIQUE,
  issuer     TEXT NOT NULL,
  subject    TEXT NOT NULL,
  actor      TEXT,
  chain      TEXT NOT NULL,
  scopes     TEXT NOT NULL,
  resource   TEXT,
  parent     TEXT REFERENCES sessions (id),
  under      TEXT,
  label      TEXT,
  away       BIGINT NOT NULL,
  created    BIGINT NOT NULL,
  until      BIGINT NOT NULL,
  ended      BIGINT,
  mac        TEXT NOT NULL
);
CREATE INDEX sessions_of_principal ON sessions (issuer, subject);
CREATE INDEX sessions_of_parent ON sessions (parent);
CREATE INDEX sessions_of_actor ON sessions (actor);

-- The refresh tokens that a `client` session knows: the one that is good now, and those used in the last
-- half minute, each with its successor sealed under its digest.
CREATE TABLE refresh_tokens (
  digest   TEXT PRIMARY KEY,
  session  TEXT NOT NULL REFERENCES sessions (id),
  used     BIGINT,
  mac      TEXT NOT NULL
);
CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session);

-- What may come once: the ids of client assertions and ID-JAGs, challenges.
CREATE TABLE seen (
  about  TEXT PRIMARY KEY,
  until  BIGINT NOT NULL
);

-- What a client asked for at /authorize (RFC 6749 section 4.1.1), until its person has answered. `asked` is a
-- JSON object without a secret: the challenge is a digest, `state` the client's own.
CREATE TABLE authorizations (
  id     TEXT PRIMARY KEY,
  asked  TEXT NOT NULL,
  until  BIGINT NOT NULL,
  mac    TEXT NOT NULL
);
CREATE INDEX authorizations_by_end ON authorizations (until);

-- Authorization codes, as digests (RFC 6749 section 4.1.2). A used one stays for a while: a second use ends the
-- session of the first.
CREATE TABLE codes (
  digest        TEXT PRIMARY KEY,
  session       TEXT NOT NULL REFERENCES sessions (id),
  redirect_uri  TEXT NOT NULL,
  challenge     TEXT NOT NULL,
  until         BIGINT NOT NULL,
  used          BIGINT,
  mac           TEXT NOT NULL
);

-- Tries at a secret since the last right one, so that guessing is slow; and the wrong ones of late (`wrong`,
-- from `began` to `last`), which a right one does not hide.
CREATE TABLE failures (
  about     TEXT PRIMARY KEY,
  count     BIGINT NOT NULL,
  since     BIGINT NOT NULL,
  wrong     BIGINT NOT NULL DEFAULT 0,
  began     BIGINT NOT NULL DEFAULT 0,
  last      BIGINT NOT NULL DEFAULT 0,
  reported  BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE registrations (
  name       TEXT PRIMARY KEY,
  provider   TEXT NOT NULL,
  client_id  TEXT NOT NULL,
  scopes     TEXT,
  created    BIGINT NOT NULL,
  mac        TEXT NOT NULL
);

-- The tokens themselves are sealed under the same id; this row is their lease and their clock.
CREATE TABLE token_sets (
  id           TEXT PRIMARY KEY,
  expires_at   BIGINT,
  lease_owner  TEXT,
  lease_until  BIGINT,
  intent       TEXT,
  dead         TEXT,
  retry_at     BIGINT,
  failures     BIGINT NOT NULL DEFAULT 0,
  since        BIGINT
);

CREATE TABLE connections (
  id            TEXT PRIMARY KEY,
  issuer        TEXT NOT NULL,
  subject       TEXT NOT NULL,
  connector     TEXT NOT NULL,
  registration  TEXT, -- which may have been removed since, where the connection has ended
  state         TEXT NOT NULL CHECK (state IN ('pending', 'confirming', 'connected', 'needs_reauth', 'revoked')),
  reason        TEXT,
  token_set     TEXT NOT NULL REFERENCES token_sets (id),
  scopes        TEXT NOT NULL,
  account       TEXT,
  created       BIGINT NOT NULL,
  changed       BIGINT NOT NULL,
  mac           TEXT NOT NULL
);
CREATE INDEX connections_of_principal ON connections (issuer, subject, connector);
CREATE INDEX connections_of_token_set ON connections (token_set);

-- Ended connections whose provider has not been told yet: their tokens are sealed under the same id.
CREATE TABLE give_backs (
  connection  TEXT PRIMARY KEY REFERENCES connections (id),
  since       BIGINT NOT NULL,
  tries       BIGINT NOT NULL,
  again       BIGINT NOT NULL
);

CREATE TABLE grants (
  id           TEXT PRIMARY KEY,
  issuer       TEXT NOT NULL,
  subject      TEXT NOT NULL,
  actor        TEXT NOT NULL,
  connections  TEXT NOT NULL,
  tools        TEXT NOT NULL,
  refused      TEXT NOT NULL,
  until        BIGINT,
  uses         BIGINT,
  used         BIGINT NOT NULL,
  offline      BIGINT NOT NULL,
  created      BIGINT NOT NULL,
  revoked      BIGINT,
  mac          TEXT NOT NULL
);
CREATE INDEX grants_of_principal ON grants (issuer, subject, actor);
CREATE INDEX grants_by_end ON grants (until);
CREATE INDEX grants_of_actor ON grants (actor);

CREATE TABLE access_requests (
  id          TEXT PRIMARY KEY,
  issuer      TEXT NOT NULL,
  subject     TEXT NOT NULL,
  actor       TEXT NOT NULL,
  need        TEXT NOT NULL,
  outcome     TEXT NOT NULL,
  tools       TEXT NOT NULL,
  done        TEXT NOT NULL,
  connection  TEXT,
  offline     BIGINT NOT NULL,
  state       TEXT NOT NULL CHECK (state IN ('open', 'met', 'declined', 'expired')),
  created     BIGINT NOT NULL,
  until       BIGINT NOT NULL
);
CREATE UNIQUE INDEX access_requests_open ON access_requests (issuer, subject, actor, need) WHERE state = 'open';

-- One trip to a provider at a time for an access request: a new trip replaces the last.
CREATE TABLE flows (
  request       TEXT PRIMARY KEY REFERENCES access_requests (id),
  id            TEXT NOT NULL UNIQUE,
  registration  TEXT NOT NULL,
  session       TEXT NOT NULL,
  state         TEXT NOT NULL,
  until         BIGINT NOT NULL
);

-- Trips to another issuer, to sign in or to show who is there: one at a time for a browser.
CREATE TABLE sign_ins (
  browser  TEXT PRIMARY KEY,
  id       TEXT NOT NULL UNIQUE,
  issuer   TEXT NOT NULL,
  state    TEXT NOT NULL,
  until    BIGINT NOT NULL
);

CREATE TABLE audit (
  seq      BIGINT PRIMARY KEY,
  id       TEXT NOT NULL UNIQUE,
  at       BIGINT NOT NULL,
  kind     TEXT NOT NULL,
  call     TEXT,
  issuer   TEXT,
  subject  TEXT,
  actor    TEXT,
  core     BYTEA NOT NULL,
  hash     BYTEA NOT NULL
);
CREATE UNIQUE INDEX audit_of_call ON audit (call, kind) WHERE call IS NOT NULL;
CREATE INDEX audit_of_principal ON audit (issuer, subject, seq);
CREATE INDEX audit_of_refused ON audit (seq) WHERE kind = 'registration.refused';

CREATE TABLE checkpoints (
  seq        BIGINT PRIMARY KEY,
  hash       BYTEA NOT NULL,
  at         BIGINT NOT NULL,
  kid        TEXT NOT NULL,
  signature  BYTEA NOT NULL
);

-- A name that one process at a time may hold: the jobs.
CREATE TABLE leases (
  name   TEXT PRIMARY KEY,
  owner  TEXT NOT NULL,
  until  BIGINT NOT NULL
);
