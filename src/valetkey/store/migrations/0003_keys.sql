-- `source` is what wrapped the key (NULL: a file); `wraps` how many data keys it has wrapped, counted ahead,
-- `emptied` when the last record that opens left it.
ALTER TABLE keks ADD COLUMN source TEXT;
ALTER TABLE keks ADD COLUMN wraps BIGINT NOT NULL DEFAULT 0;
ALTER TABLE keks ADD COLUMN emptied BIGINT;
UPDATE keks SET wraps = (SELECT COALESCE(SUM(version), 0) FROM sealed WHERE sealed.kek = keks.id);
CREATE UNIQUE INDEX keks_active ON keks (state) WHERE state = 'active';
