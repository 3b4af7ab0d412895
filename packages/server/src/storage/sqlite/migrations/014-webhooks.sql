-- Who is told of batches that end, as the configuration of the last start has it.
CREATE TABLE webhook (
  name      TEXT PRIMARY KEY,
  -- Id or name; null: all workspaces.
  workspace TEXT,
  -- The end states that it is told of, as JSON.
  states    TEXT NOT NULL,
  is_gone   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Ends of batches that a webhook is yet to be told of; of a webhook that is no longer configured too, for a while.
CREATE TABLE webhook_event (
  webhook  TEXT NOT NULL,
  batch_id TEXT NOT NULL REFERENCES batch (id),
  attempts INTEGER NOT NULL DEFAULT 0,
  due_at   INTEGER NOT NULL,
  PRIMARY KEY (webhook, batch_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX webhook_event_due ON webhook_event (webhook, due_at);
CREATE INDEX webhook_event_by_batch ON webhook_event (batch_id);
