-- Of the input and of the output tokens; as those, a batch's are of its committed shards.
ALTER TABLE shard ADD COLUMN cached_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE shard ADD COLUMN reasoning_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batch ADD COLUMN cached_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE batch ADD COLUMN reasoning_tokens INTEGER NOT NULL DEFAULT 0;
