-- Files that the lines of another file name. `named_id` is as the line has it: nobody knows yet whether there is such a file.
CREATE TABLE file_reference (
  file_id  TEXT NOT NULL REFERENCES file (id),
  member   TEXT NOT NULL,
  named_id TEXT NOT NULL,
  line     INTEGER NOT NULL,
  PRIMARY KEY (file_id, member, named_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX file_reference_by_named ON file_reference (named_id);
