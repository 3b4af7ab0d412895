-- A folded row keeps its key and outcomes; its bytes lie in an object and `bytes` is empty.
ALTER TABLE journal ADD COLUMN blob_name TEXT;
ALTER TABLE journal ADD COLUMN blob_offset INTEGER;
ALTER TABLE journal ADD COLUMN blob_length INTEGER;
ALTER TABLE journal ADD COLUMN checksum TEXT;
