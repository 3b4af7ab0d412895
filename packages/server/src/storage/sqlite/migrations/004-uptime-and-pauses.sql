-- When a Bora was last known to be up; one row.
CREATE TABLE uptime (
  id    INTEGER PRIMARY KEY CHECK (id = 1),
  up_at INTEGER NOT NULL
) STRICT;

-- Upstreams that were paused by hand.
CREATE TABLE upstream_pause (
  upstream  TEXT PRIMARY KEY,
  reason    TEXT NOT NULL,
  paused_at INTEGER NOT NULL
) STRICT;
