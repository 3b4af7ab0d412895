ALTER TABLE batch ADD COLUMN completion_window TEXT;
ALTER TABLE batch ADD COLUMN is_lenient INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batch ADD COLUMN results_expire_ms INTEGER;
ALTER TABLE batch ADD COLUMN planned_at INTEGER;
-- What is wrong with the input: {"count", "first": [{"kind", "line", "member", "found"}]}.
ALTER TABLE batch ADD COLUMN faults TEXT;
