-- Up to which event of the audit people and operator have been told what follows from it.
CREATE TABLE noticed (
  seq  BIGINT NOT NULL
);
INSERT INTO noticed SELECT COALESCE(MAX(seq), 0) FROM audit;

-- What somebody has to be told, once for each (kind, about). A person's, or without issuer and subject the
-- operator's. `letter` is the message that it goes out in, with others of the same recipient; `again` is when
-- that is tried next, or was done. `urgent`: at
-- once, not with the operator's next summary. `facts` is a JSON object without secrets.
CREATE TABLE notices (
  id       TEXT PRIMARY KEY,
  kind     TEXT NOT NULL,
  about    TEXT NOT NULL,
  issuer   TEXT,
  subject  TEXT,
  facts    TEXT NOT NULL,
  urgent   BIGINT NOT NULL,
  state    TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'over')),
  letter   TEXT,
  created  BIGINT NOT NULL,
  tries    BIGINT NOT NULL,
  again    BIGINT NOT NULL,
  problem  TEXT
);
CREATE UNIQUE INDEX notices_once ON notices (kind, about, COALESCE(issuer, ''), COALESCE(subject, ''));
CREATE INDEX notices_due ON notices (again) WHERE state = 'waiting';

-- Where a person is written to: the address is sealed under the row's id. An unproved one has the digest of
-- the code that was sent there, until when it holds, and how often it was tried.
CREATE TABLE addresses (
  id       TEXT PRIMARY KEY,
  issuer   TEXT NOT NULL,
  subject  TEXT NOT NULL,
  proved   BIGINT NOT NULL,
  code     TEXT,
  until    BIGINT,
  tries    BIGINT NOT NULL,
  created  BIGINT NOT NULL,
  mac      TEXT NOT NULL
);
CREATE UNIQUE INDEX addresses_of_principal ON addresses (issuer, subject, proved);

CREATE INDEX connections_by_state ON connections (state);
