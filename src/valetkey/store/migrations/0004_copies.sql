-- Which copy of a store this is: one row. `number` and `id` are its generation, `place` is where it stood when
-- it was made live, `home` who used it there; `other` is the copy that it took over from, or that took over.
CREATE TABLE copies (
  store   TEXT PRIMARY KEY,
  number  BIGINT NOT NULL,
  id      TEXT NOT NULL,
  state   TEXT NOT NULL CHECK (state IN ('live', 'dormant', 'moving', 'retired')),
  reason  TEXT,
  place   TEXT NOT NULL,
  home    TEXT NOT NULL,
  other   TEXT,
  since   BIGINT NOT NULL,
  mac     TEXT NOT NULL
);
