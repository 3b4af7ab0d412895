-- Where files that are gone stood in the lists, so that whoever deletes files while they list them goes on behind the last one.
CREATE TABLE purged_file (
  id           TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspace (id),
  created_at   INTEGER NOT NULL,
  purged_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX purged_file_by_time ON purged_file (purged_at);
