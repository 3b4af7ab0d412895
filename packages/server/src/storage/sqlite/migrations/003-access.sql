ALTER TABLE workspace ADD COLUMN disabled_at INTEGER;
ALTER TABLE workspace ADD COLUMN disabled_reason TEXT;
-- Its own limits by name; what is not in it the installation says.
ALTER TABLE workspace ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';

ALTER TABLE api_key ADD COLUMN user_name TEXT;
-- Keys that were made before scopes existed could do what `write` can.
ALTER TABLE api_key ADD COLUMN scope TEXT NOT NULL DEFAULT 'write' CHECK (scope IN ('read', 'write', 'admin'));
ALTER TABLE api_key ADD COLUMN expires_at INTEGER;
ALTER TABLE api_key ADD COLUMN last_used_at INTEGER;

CREATE TABLE audit (
  -- Never given twice, so that paging by id stays in order while old entries go.
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  at           INTEGER NOT NULL,
  action       TEXT NOT NULL,
  workspace_id TEXT NOT NULL REFERENCES workspace (id),
  key_id       TEXT,
  user_name    TEXT,
  ip           TEXT,
  subject_id   TEXT NOT NULL,
  detail       TEXT
) STRICT;
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_subject ON audit (subject_id);
