import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkCalls } from '../src/power/system-calls.ts';

const WRITE = '7 pwrite64(30</d/bora.sqlite-wal>, ""..., 24, 0) = 24';
const SYNC = '7 fsync(30</d/bora.sqlite-wal>) = 0';
const FAILED_SYNC = '7 fsync(30</d/bora.sqlite-wal>) = -1 EIO (Input/output error) (INJECTED)';
const REPLY = '7 write(19<anon_inode:[eventfd]>, ""..., 8) = 8';
const OPEN = '7 openat(AT_FDCWD</>, "/d/bora.sqlite", O_RDWR|O_CREAT, 0644) = 29</d/bora.sqlite>';
const BLOB = '/d/blobs/writing/a';
const WRITE_BLOB = `8 write(31<${BLOB}>, ""..., 9) = 9`;
const SYNC_BLOB = [`8 fsync(31<${BLOB}> <unfinished ...>`, '8 <... fsync resumed>) = 0'];
const FAIL_BLOB = [
  `8 fsync(31<${BLOB}> <unfinished ...>`,
  '8 <... fsync resumed>) = -1 EIO (Input/output error)',
];
const NAME_BLOB = `9 rename("${BLOB}", "/d/blobs/objects/00/a") = 0`;
const SYNC_FOLDER = '9 fsync(32</d/blobs/objects/00>) = 0';

function violations(...lines: (string | string[])[]): readonly string[] {
  return checkCalls(lines.flat(), '/d').violations;
}

describe('the check of system calls', () => {
  it('passes and counts what is synced before it is told and named', () => {
    const calls = [WRITE, SYNC, REPLY, WRITE_BLOB, ...SYNC_BLOB, NAME_BLOB, SYNC_FOLDER, WRITE, SYNC, REPLY];
    assert.deepEqual(checkCalls(calls, '/d'), { violations: [], commits: 2, objects: 1, failures: 0 });
  });

  it('notices an answer before the log is synced', () => {
    assert.match(violations(WRITE, REPLY, SYNC).join(), /answered while its log was not synced/);
  });

  it('notices a name without a sync, before and after it', () => {
    assert.match(violations(WRITE_BLOB, NAME_BLOB, SYNC_FOLDER).join(), /name before it was synced/);
    assert.match(violations(WRITE_BLOB, SYNC_BLOB, NAME_BLOB).join(), /not synced after a name/);
  });

  it('notices who goes on behind a sync that failed', () => {
    assert.match(
      violations(WRITE_BLOB, FAIL_BLOB, SYNC_BLOB, NAME_BLOB, SYNC_FOLDER).join(),
      /could not be synced/,
    );
    assert.match(violations(WRITE, FAILED_SYNC, REPLY, WRITE).join(), /wrote on behind a sync that failed/);
    assert.deepEqual(violations(WRITE, FAILED_SYNC, REPLY, OPEN, WRITE, SYNC, REPLY), []);
  });

  it('notices who writes past the disk port', () => {
    const call = '9 write(33</d/notes.txt>, ""..., 9) = 9';
    assert.deepEqual(violations(call), ['notes.txt was written, past the disk port.']);
    assert.deepEqual(violations('9 write(33</e/notes.txt>, ""..., 9) = 9'), []);
  });
});
