-- One file for SQLite and PostgreSQL: only types that mean the same in both.
CREATE TABLE history_progress (
    id BIGINT PRIMARY KEY,
    epoch BIGINT NOT NULL
);
INSERT INTO history_progress (id, epoch) VALUES (1, -1);

CREATE TABLE alert_transitions (
    epoch BIGINT NOT NULL,
    ordinal BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    decided_at_ms BIGINT NOT NULL,
    alert TEXT NOT NULL,
    object TEXT NOT NULL,
    state TEXT NOT NULL,
    severity TEXT NOT NULL,
    reason TEXT NOT NULL,
    value DOUBLE PRECISION,
    PRIMARY KEY (epoch, ordinal)
);
CREATE INDEX alert_transitions_at ON alert_transitions (at_ms);
CREATE INDEX alert_transitions_alert ON alert_transitions (alert, object, at_ms);

CREATE TABLE notices (
    id TEXT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    thread TEXT NOT NULL,
    revision BIGINT NOT NULL,
    reason TEXT NOT NULL,
    recipient TEXT NOT NULL,
    alert TEXT NOT NULL,
    severity TEXT NOT NULL
);
CREATE INDEX notices_at ON notices (at_ms);

CREATE TABLE triggers (
    id TEXT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    state TEXT NOT NULL,
    severity TEXT NOT NULL,
    service TEXT,
    kqi TEXT NOT NULL,
    object TEXT NOT NULL,
    department TEXT NOT NULL,
    effect TEXT,
    document TEXT NOT NULL
);
CREATE INDEX triggers_at ON triggers (at_ms);

CREATE TABLE trigger_moves (
    trigger_id TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    from_state TEXT,
    to_state TEXT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT,
    PRIMARY KEY (trigger_id, ordinal)
);
CREATE INDEX trigger_moves_at ON trigger_moves (at_ms);

CREATE TABLE feedback (
    trigger_id TEXT NOT NULL,
    ordinal BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    service TEXT,
    city TEXT,
    text_zh TEXT NOT NULL,
    text_en TEXT NOT NULL,
    PRIMARY KEY (trigger_id, ordinal)
);
CREATE INDEX feedback_at ON feedback (at_ms);

CREATE TABLE effects (
    trigger_id TEXT NOT NULL,
    at_ms BIGINT NOT NULL,
    epoch BIGINT NOT NULL,
    verdict TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (trigger_id, at_ms)
);
CREATE INDEX effects_at ON effects (at_ms);

CREATE TABLE audit (
    position BIGINT PRIMARY KEY,
    epoch BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    actor TEXT NOT NULL,
    command TEXT NOT NULL,
    outcome TEXT NOT NULL
);
CREATE INDEX audit_at ON audit (at_ms);
