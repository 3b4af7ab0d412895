-- Times are milliseconds since the epoch. Booleans are 0 or 1. JSON columns are text.

CREATE TABLE workspace (
  id         TEXT PRIMARY KEY,
  name       TEXT NOT NULL UNIQUE,
  weight     REAL NOT NULL DEFAULT 1,
  -- Estimated tokens handed out, divided by weight: whoever has least is served next.
  vtime      REAL NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE api_key (
  id           TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspace (id),
  name         TEXT NOT NULL,
  hash         TEXT NOT NULL UNIQUE,
  prefix       TEXT NOT NULL,
  created_at   INTEGER NOT NULL,
  revoked_at   INTEGER
) STRICT;

CREATE TABLE secret (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

CREATE TABLE session (
  id           TEXT PRIMARY KEY,
  -- One opening of the database by one process; sessions of an older boot belong to a dead process.
  boot         TEXT NOT NULL,
  heartbeat_at INTEGER NOT NULL
) STRICT;

CREATE TABLE blob_name (
  name       TEXT PRIMARY KEY,
  state      TEXT NOT NULL CHECK (state IN ('writing', 'owned', 'released', 'erased')),
  -- The session while writing; `shard/<id>` or `file/<id>` while owned.
  owner      TEXT NOT NULL,
  changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX blob_name_by_owner ON blob_name (owner);
CREATE INDEX blob_name_collectable ON blob_name (state, changed_at) WHERE state <> 'owned';

CREATE TABLE file (
  id           TEXT PRIMARY KEY,
  workspace_id TEXT NOT NULL REFERENCES workspace (id),
  filename     TEXT NOT NULL,
  purpose      TEXT NOT NULL,
  sample_type  TEXT NOT NULL,
  source       TEXT NOT NULL,
  mimetype     TEXT,
  bytes        INTEGER NOT NULL,
  num_lines    INTEGER,
  signature    TEXT,
  visibility   TEXT NOT NULL,
  expires_at   INTEGER,
  created_by   TEXT,
  line_index   TEXT,
  created_at   INTEGER NOT NULL,
  hidden_at    INTEGER
) STRICT;
CREATE INDEX file_listed ON file (workspace_id, created_at DESC, id DESC) WHERE hidden_at IS NULL;
CREATE INDEX file_expiring ON file (expires_at) WHERE expires_at IS NOT NULL AND hidden_at IS NULL;

-- A blob as columns, here and in shard_part: inline `bytes`, or a range of the object `blob_name`.
CREATE TABLE file_part (
  id          INTEGER PRIMARY KEY,
  file_id     TEXT NOT NULL REFERENCES file (id),
  start       INTEGER NOT NULL,
  length      INTEGER NOT NULL,
  blob_name   TEXT,
  blob_offset INTEGER,
  checksum    TEXT,
  bytes       BLOB,
  UNIQUE (file_id, start)
) STRICT;

CREATE TABLE file_cuts (
  file_id     TEXT PRIMARY KEY REFERENCES file (id),
  length      INTEGER NOT NULL,
  blob_name   TEXT,
  blob_offset INTEGER,
  checksum    TEXT,
  bytes       BLOB
) STRICT;

CREATE TABLE batch (
  id             TEXT PRIMARY KEY,
  workspace_id   TEXT NOT NULL REFERENCES workspace (id),
  dialect        TEXT NOT NULL,
  endpoint       TEXT NOT NULL,
  model          TEXT,
  agent_id       TEXT,
  metadata       TEXT,
  inline         INTEGER NOT NULL,
  routes         TEXT,
  priority       INTEGER NOT NULL,
  created_by     TEXT,
  state          TEXT NOT NULL,
  end_reason     TEXT,
  failure        TEXT,
  total_requests INTEGER,
  -- Of committed shards only; what open shards have journaled is added when it is read.
  succeeded      INTEGER NOT NULL DEFAULT 0,
  failed         INTEGER NOT NULL DEFAULT 0,
  input_tokens   INTEGER NOT NULL DEFAULT 0,
  output_tokens  INTEGER NOT NULL DEFAULT 0,
  -- Shards not done, plus one while the plan holds on. Whoever brings it to zero moves the batch to `finalizing`.
  remaining      INTEGER NOT NULL DEFAULT 1,
  output_file_id TEXT,
  error_file_id  TEXT,
  created_at     INTEGER NOT NULL,
  deadline_at    INTEGER NOT NULL,
  started_at     INTEGER,
  cancelling_at  INTEGER,
  finalizing_at  INTEGER,
  ended_at       INTEGER,
  hidden_at      INTEGER
) STRICT;
CREATE INDEX batch_listed ON batch (workspace_id, created_at DESC, id DESC) WHERE hidden_at IS NULL;
CREATE INDEX batch_claimable ON batch (workspace_id, priority, deadline_at, created_at, id)
  WHERE state IN ('queued', 'running');
CREATE INDEX batch_stopping ON batch (id) WHERE state IN ('cancelling', 'expiring');
CREATE INDEX batch_deadline ON batch (deadline_at) WHERE state IN ('validating', 'queued', 'running');

CREATE TABLE batch_input (
  batch_id TEXT NOT NULL REFERENCES batch (id),
  position INTEGER NOT NULL,
  file_id  TEXT NOT NULL,
  PRIMARY KEY (batch_id, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX batch_input_by_file ON batch_input (file_id);

CREATE TABLE batch_route (
  batch_id TEXT NOT NULL REFERENCES batch (id),
  route    TEXT NOT NULL,
  PRIMARY KEY (batch_id, route)
) STRICT, WITHOUT ROWID;

CREATE TABLE batch_error (
  batch_id TEXT NOT NULL REFERENCES batch (id),
  message  TEXT NOT NULL,
  count    INTEGER NOT NULL,
  PRIMARY KEY (batch_id, message)
) STRICT, WITHOUT ROWID;

CREATE TABLE shard (
  -- Never given twice: a late journal row or blob of a shard that is gone must not find another one under its id.
  id            INTEGER PRIMARY KEY AUTOINCREMENT,
  batch_id      TEXT NOT NULL REFERENCES batch (id),
  number        INTEGER NOT NULL,
  first_ordinal INTEGER NOT NULL,
  count         INTEGER NOT NULL,
  input         INTEGER NOT NULL,
  start         INTEGER NOT NULL,
  length        INTEGER NOT NULL,
  first_line    INTEGER NOT NULL,
  state         TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'leased', 'parked', 'done')),
  epoch         INTEGER NOT NULL DEFAULT 0,
  session       TEXT,
  deaths        INTEGER NOT NULL DEFAULT 0,
  -- A parked shard waits for a route, or until a time.
  parked_route  TEXT,
  parked_until  INTEGER,
  parked_reason TEXT,
  -- Set with the first journal row of the shard, so that progress looks at open shards only.
  has_journal   INTEGER NOT NULL DEFAULT 0,
  succeeded     INTEGER NOT NULL DEFAULT 0,
  failed        INTEGER NOT NULL DEFAULT 0,
  input_tokens  INTEGER NOT NULL DEFAULT 0,
  output_tokens INTEGER NOT NULL DEFAULT 0,
  UNIQUE (batch_id, number)
) STRICT;
CREATE INDEX shard_claimable ON shard (batch_id, state, number) WHERE state IN ('queued', 'parked');
CREATE INDEX shard_parked ON shard (batch_id, parked_route, parked_reason) WHERE state = 'parked';
CREATE INDEX shard_leased ON shard (session, batch_id) WHERE session IS NOT NULL;
CREATE INDEX shard_journaled ON shard (batch_id) WHERE has_journal = 1 AND state <> 'done';

CREATE TABLE shard_part (
  shard_id    INTEGER NOT NULL REFERENCES shard (id),
  position    INTEGER NOT NULL,
  kind        TEXT NOT NULL CHECK (kind IN ('output', 'error')),
  lines       INTEGER NOT NULL,
  length      INTEGER NOT NULL,
  blob_name   TEXT,
  blob_offset INTEGER,
  checksum    TEXT,
  bytes       BLOB,
  PRIMARY KEY (shard_id, position)
) STRICT;

CREATE TABLE journal (
  shard_id INTEGER NOT NULL REFERENCES shard (id),
  epoch    INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  outcomes TEXT NOT NULL,
  bytes    BLOB NOT NULL,
  PRIMARY KEY (shard_id, epoch, sequence)
) STRICT;

CREATE TABLE task (
  -- Never given twice, so that a late lease cannot act on another task.
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  kind       TEXT NOT NULL CHECK (kind IN ('plan', 'finalise', 'purge-batch', 'purge-file')),
  subject_id TEXT NOT NULL,
  epoch      INTEGER NOT NULL DEFAULT 0,
  session    TEXT,
  not_before INTEGER NOT NULL DEFAULT 0,
  -- A done plan or finalise keeps its row, and in it the lease that did it, so that a repeat is told so.
  done       INTEGER NOT NULL DEFAULT 0,
  UNIQUE (kind, subject_id)
) STRICT;
CREATE INDEX task_claimable ON task (id) WHERE session IS NULL AND done = 0;
CREATE INDEX task_leased ON task (session) WHERE session IS NOT NULL AND done = 0;
