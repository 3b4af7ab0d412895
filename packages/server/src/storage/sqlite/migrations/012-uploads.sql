-- Files that come in parts. Who names a blob of a part is `upload/<id>` until the upload is complete.
CREATE TABLE upload (
  id              TEXT PRIMARY KEY,
  workspace_id    TEXT NOT NULL REFERENCES workspace (id),
  -- Chosen with the upload, so that completing it again cannot make a second file.
  file_id         TEXT NOT NULL,
  filename        TEXT NOT NULL,
  purpose         TEXT NOT NULL,
  bytes           INTEGER NOT NULL,
  -- The file expires so long after it was made; null: never.
  file_expires_ms INTEGER,
  created_by      TEXT,
  state           TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'completed', 'cancelled', 'expired')),
  -- Of a completed one, as its client listed them.
  part_ids        TEXT,
  created_at      INTEGER NOT NULL,
  expires_at      INTEGER NOT NULL
) STRICT;
CREATE INDEX upload_expiring ON upload (expires_at);

-- Only uploads that are pending have parts.
CREATE TABLE upload_part (
  id           TEXT PRIMARY KEY,
  upload_id    TEXT NOT NULL REFERENCES upload (id),
  workspace_id TEXT NOT NULL REFERENCES workspace (id),
  created_at   INTEGER NOT NULL,
  length       INTEGER NOT NULL,
  blob_name    TEXT,
  blob_offset  INTEGER,
  checksum     TEXT,
  bytes        BLOB
) STRICT;
CREATE INDEX upload_part_by_upload ON upload_part (upload_id);
CREATE INDEX upload_part_by_workspace ON upload_part (workspace_id, length);
