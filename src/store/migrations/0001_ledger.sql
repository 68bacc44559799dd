-- What has been decided to be told, and how far its delivery has come.
CREATE TABLE notices (
    -- Order of decision. AUTOINCREMENT: a number is never used again, even after rows are forgotten.
    sequence           INTEGER PRIMARY KEY AUTOINCREMENT,
    -- Deterministic identity of (incident, revision, recipient): a replay meets it again.
    id                 TEXT    NOT NULL UNIQUE,
    incident           TEXT    NOT NULL,
    revision           INTEGER NOT NULL,
    reason             TEXT    NOT NULL,
    recipient          TEXT    NOT NULL,
    message_id         TEXT    NOT NULL,
    -- The notice as a value; only who wrote it can read it.
    notice             BLOB    NOT NULL,
    -- NULL until the first attempt. From then on they stay: a later attempt, also by a later program,
    -- sends the bytes of the first.
    subject            TEXT,
    -- The message as it goes on the wire.
    eml                BLOB,
    state              TEXT    NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'dead')),
    attempts           INTEGER NOT NULL DEFAULT 0,
    -- Not before this time; 0 is at once.
    next_attempt_at_ms INTEGER NOT NULL DEFAULT 0,
    last_error         TEXT,
    decided_at_ms      INTEGER NOT NULL,
    -- When it came to `sent` or `dead`.
    settled_at_ms      INTEGER
) STRICT;

-- In order of decision, so that the first few that are due are found without sorting all that wait.
CREATE INDEX notices_by_state ON notices (state, sequence, next_attempt_at_ms);
CREATE INDEX notices_by_thread ON notices (incident, recipient, revision);

-- What may be sent now, but for its time: in one thread nothing overtakes what came before it.
CREATE VIEW sendable AS
SELECT * FROM notices AS n
WHERE state = 'queued'
  AND NOT EXISTS (
    SELECT 1 FROM notices AS earlier
    WHERE earlier.incident = n.incident AND earlier.recipient = n.recipient
      AND earlier.revision < n.revision AND earlier.state IN ('queued', 'sending'));

-- One row a fact about the ledger itself: `decided_upto` is the newest epoch whose notices it holds.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT;
