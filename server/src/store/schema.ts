/**
 * Numbered migrations: `user_version = n` means that the first n have run. A database is brought forward in one
 * transaction; a newer one is refused. What stands here is frozen (tests/store/migrations.test.ts holds the hashes): a
 * change of the schema is a new entry at the end.
 */

export const MIGRATIONS: readonly string[] = [
  `
  -- Commits that are on disk but not yet in the tables; operations.ts tells what is in a row.
  CREATE TABLE journal (n INTEGER PRIMARY KEY, operations BLOB NOT NULL) STRICT;

  CREATE TABLE lanes (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    constraints TEXT NOT NULL,
    owner TEXT NOT NULL,
    queued INTEGER NOT NULL DEFAULT 0,
    open INTEGER NOT NULL DEFAULT 0
  ) STRICT;

  -- state: an index into TASK_STATES. Times are ms since 1970; due_at is NULL when nothing is due.
  CREATE TABLE tasks (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    owner TEXT NOT NULL,
    kind TEXT NOT NULL,
    lane INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    state INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    worker TEXT,
    submitted_at INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER,
    due_at INTEGER,
    options TEXT,
    blobs TEXT,
    output_blobs TEXT,
    error TEXT,
    input BLOB NOT NULL,
    output BLOB
  ) STRICT;
  CREATE UNIQUE INDEX tasks_id ON tasks(id);
  CREATE INDEX tasks_owner ON tasks(owner, seq);
  CREATE INDEX tasks_waiting ON tasks(lane, priority DESC, seq) WHERE state = 1;
  CREATE INDEX tasks_running ON tasks(seq) WHERE state = 2;
  CREATE INDEX tasks_due ON tasks(due_at) WHERE due_at IS NOT NULL;
  CREATE INDEX tasks_ended ON tasks(ended_at) WHERE ended_at IS NOT NULL;

  -- Attempts that ended without a result; the latest one is in the task's own row.
  CREATE TABLE attempts (
    seq INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    worker TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (seq, attempt)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE chunks (
    seq INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    chunk INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (seq, attempt, chunk)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    join_key TEXT NOT NULL,
    join_token TEXT NOT NULL,
    owner TEXT NOT NULL,
    trust TEXT NOT NULL,
    joined_at INTEGER NOT NULL,
    name TEXT NOT NULL,
    labels TEXT NOT NULL,
    given_name TEXT,
    given_labels TEXT,
    tier INTEGER,
    pinned_tier INTEGER,
    reasons TEXT NOT NULL,
    hardware TEXT NOT NULL,
    available TEXT NOT NULL,
    instance TEXT NOT NULL,
    last_seen_at INTEGER NOT NULL,
    draining INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE tokens (
    id TEXT PRIMARY KEY,
    role TEXT NOT NULL,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    owner TEXT NOT NULL,
    trust TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    uses_left INTEGER NOT NULL,
    revoked_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE kinds (
    kind TEXT NOT NULL,
    worker TEXT NOT NULL,
    PRIMARY KEY (kind, worker)
  ) STRICT, WITHOUT ROWID;

  -- Workloads with state, and the worker that holds it.
  CREATE TABLE bindings (
    workload TEXT PRIMARY KEY,
    worker TEXT NOT NULL,
    runtime TEXT NOT NULL,
    bound_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE owners (owner TEXT PRIMARY KEY, open INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID;

  -- One row a commit: the events first to last; event-log.ts tells how.
  CREATE TABLE events (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    at INTEGER NOT NULL,
    events BLOB NOT NULL
  ) STRICT;

  -- The bytes lie in files named by their hash; a row is one owner's right to them.
  CREATE TABLE blobs (
    owner TEXT NOT NULL,
    blob TEXT NOT NULL,
    size INTEGER NOT NULL,
    held_since INTEGER NOT NULL,
    PRIMARY KEY (owner, blob)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX blobs_blob ON blobs(blob);
  CREATE TABLE blob_refs (
    owner TEXT NOT NULL,
    blob TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (owner, blob, seq)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX blob_refs_seq ON blob_refs(seq);
  `,
  `
  -- Name and version of the worker's agent; '' until it says hello again.
  ALTER TABLE workers ADD COLUMN agent_version TEXT NOT NULL DEFAULT '';
  `,
  `
  -- Chunks of attempts before this one count no more, and are deleted in slices.
  CREATE TABLE void_chunks (seq INTEGER PRIMARY KEY, before INTEGER NOT NULL) STRICT;
  `,
  `
  -- refs: how many rows of blob_refs name it. One that never was named counts against its uploader's quota; after that,
  -- uploader and attempt are ''.
  ALTER TABLE blobs ADD COLUMN refs INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE blobs ADD COLUMN uploader TEXT NOT NULL DEFAULT '';
  ALTER TABLE blobs ADD COLUMN attempt TEXT NOT NULL DEFAULT '';
  UPDATE blobs SET refs = (SELECT count(*) FROM blob_refs r WHERE r.owner = blobs.owner AND r.blob = blobs.blob);
  CREATE INDEX blobs_unnamed ON blobs(held_since) WHERE refs = 0;
  CREATE INDEX blobs_uploader ON blobs(uploader, size) WHERE refs = 0 AND uploader <> '';
  CREATE INDEX blobs_attempt ON blobs(attempt) WHERE refs = 0 AND attempt <> '';
  CREATE TRIGGER blob_named AFTER INSERT ON blob_refs BEGIN
    UPDATE blobs SET refs = refs + 1, uploader = '', attempt = '' WHERE owner = new.owner AND blob = new.blob;
  END;
  CREATE TRIGGER blob_released AFTER DELETE ON blob_refs BEGIN
    UPDATE blobs SET refs = refs - 1 WHERE owner = old.owner AND blob = old.blob;
  END;
  `,
  `
  -- Attempts that last are rows, too. state: an index into ATTEMPT_CODES; ended_at is 0 while one runs.
  ALTER TABLE attempts ADD COLUMN service TEXT NOT NULL DEFAULT '';
  ALTER TABLE attempts ADD COLUMN state INTEGER NOT NULL DEFAULT 0;
  CREATE INDEX attempts_lasting ON attempts(seq, attempt) WHERE state > 0;
  `,
];
