-- What is held against requests that have no outcome yet; few, and gone with the commit of their shard.
CREATE TABLE attempt (
  shard_id INTEGER NOT NULL REFERENCES shard (id) ON DELETE CASCADE,
  ordinal  INTEGER NOT NULL,
  faults   INTEGER NOT NULL DEFAULT 0,
  crashes  INTEGER NOT NULL DEFAULT 0,
  deaths   INTEGER NOT NULL DEFAULT 0,
  -- The holder of the shard has it in flight, and nothing else of the shard. If the holder dies, this is counted in `deaths`.
  sending  INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (shard_id, ordinal)
) STRICT, WITHOUT ROWID;
