-- The news of one decision about several triggers, as one mail to one reader: a row with the reason `demands`, whose notices
-- name it in `digest`. It is decided with them, and becomes a message when it is due.

-- Groups of which no message is made yet: what is over a recipient's cap is told by a digest instead.
CREATE INDEX notices_open_groups ON notices (recipient COLLATE NOCASE)
    WHERE reason = 'demands' AND state = 'queued' AND eml IS NULL;

-- What may be sent now, but for its time: in one thread nothing overtakes what came before it, what another mail tells is
-- not told alone, and a group overtakes nothing in any of the threads that it belongs to.
DROP VIEW sendable;
CREATE VIEW sendable AS
SELECT * FROM notices AS n
WHERE state = 'queued' AND digest IS NULL
  AND NOT EXISTS (
    SELECT 1 FROM notices AS earlier
    WHERE earlier.incident = n.incident AND earlier.recipient = n.recipient
      AND earlier.revision < n.revision AND earlier.state IN ('queued', 'sending'))
  AND (reason <> 'demands' OR NOT EXISTS (
    SELECT 1 FROM notices AS told
    JOIN notices AS earlier ON earlier.incident = told.incident AND earlier.recipient = told.recipient
    WHERE told.digest = n.id AND told.state = 'queued'
      AND earlier.revision < told.revision AND earlier.state IN ('queued', 'sending')
      AND earlier.digest IS NOT n.id));
