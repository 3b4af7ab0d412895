-- Where the lines of the batch name files, as in file_reference.member; null: nowhere.
ALTER TABLE batch ADD COLUMN file_member TEXT;
