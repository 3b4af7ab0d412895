-- Digest of the create that made the batch, by which the same one is known again; null for batches of an older Bora.
ALTER TABLE batch ADD COLUMN created_as TEXT;

-- Objects whose maker was not told of them.
CREATE TABLE undelivered_answer (
  call       TEXT PRIMARY KEY,
  created_as TEXT NOT NULL,
  object_id  TEXT NOT NULL,
  missed_at  INTEGER NOT NULL,
  -- The call that was answered with the object.
  taken_by   TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX undelivered_answer_by_create ON undelivered_answer (created_as, missed_at);
CREATE INDEX undelivered_answer_by_time ON undelivered_answer (missed_at);
