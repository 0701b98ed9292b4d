-- What was found changed behind our back is counted every minute, among all there ever was.
CREATE INDEX audit_of_integrity ON audit (at) WHERE kind = 'integrity';
