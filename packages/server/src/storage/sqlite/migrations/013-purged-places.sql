-- Batches that are gone keep their place in the lists for a while, too.
ALTER TABLE purged_file RENAME TO purged_place;
DROP INDEX purged_file_by_time;
CREATE INDEX purged_place_by_time ON purged_place (purged_at);
