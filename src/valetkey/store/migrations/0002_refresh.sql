-- When a token set is renewed though nobody asks, when it ends whatever anybody does, when it was found
-- dead, and since when renewing it has failed without a break. A plan, not authority: no MAC.
ALTER TABLE token_sets ADD COLUMN renew_at BIGINT;
ALTER TABLE token_sets ADD COLUMN ends_at BIGINT;
ALTER TABLE token_sets ADD COLUMN died_at BIGINT;
ALTER TABLE token_sets ADD COLUMN failing BIGINT;
UPDATE token_sets SET renew_at = expires_at WHERE dead IS NULL;
CREATE INDEX token_sets_by_renewal ON token_sets (renew_at) WHERE dead IS NULL;
CREATE INDEX token_sets_by_end ON token_sets (ends_at) WHERE dead IS NULL;
CREATE INDEX token_sets_by_death ON token_sets (died_at);
CREATE INDEX token_sets_failing ON token_sets (failing);
