-- What comes before what, for one recipient: the rank of its severity; a digest comes first.
ALTER TABLE notices ADD COLUMN urgency INTEGER NOT NULL DEFAULT 0;
-- The digest that tells this notice together with others; it shares that mail's end.
ALTER TABLE notices ADD COLUMN digest TEXT;
-- What the last failed attempt means: transient, setup or permanent.
ALTER TABLE notices ADD COLUMN failure TEXT;

CREATE INDEX notices_by_urgency ON notices (state, urgency DESC, sequence, next_attempt_at_ms);
CREATE INDEX notices_by_digest ON notices (digest, urgency DESC, sequence) WHERE digest IS NOT NULL;
-- The digest that still takes notices: at most one a recipient.
CREATE INDEX notices_open_digests ON notices (recipient COLLATE NOCASE)
    WHERE reason = 'digest' AND state = 'queued' AND eml IS NULL;

-- What may be sent now, but for its time: in one thread nothing overtakes what came before it, and what
-- a digest tells is not told alone.
DROP VIEW sendable;
CREATE VIEW sendable AS
SELECT * FROM notices AS n
WHERE state = 'queued' AND digest IS NULL
  AND NOT EXISTS (
    SELECT 1 FROM notices AS earlier
    WHERE earlier.incident = n.incident AND earlier.recipient = n.recipient
      AND earlier.revision < n.revision AND earlier.state IN ('queued', 'sending'));

-- Who had a dead letter sent again, and why.
CREATE TABLE resends (
    notice TEXT    NOT NULL,
    at_ms  INTEGER NOT NULL,
    actor  TEXT    NOT NULL,
    why    TEXT
) STRICT;
CREATE INDEX resends_by_notice ON resends (notice);
