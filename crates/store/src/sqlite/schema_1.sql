CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE environments (id INTEGER PRIMARY KEY, name TEXT NOT NULL, created_ms INTEGER NOT NULL);
INSERT INTO environments VALUES (1, 'default', 0);

CREATE TABLE api_keys (
  id INTEGER PRIMARY KEY, env INTEGER NOT NULL, name TEXT NOT NULL, hash BLOB NOT NULL UNIQUE,
  created_ms INTEGER NOT NULL, revoked_ms INTEGER
);

-- Settings are JSON, so that a new one needs no migration; what is searched by has a column.
CREATE TABLE applications (
  id INTEGER PRIMARY KEY, env INTEGER NOT NULL, uid TEXT, settings TEXT NOT NULL,
  created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, version INTEGER NOT NULL
);
CREATE UNIQUE INDEX application_uid ON applications (env, uid) WHERE uid IS NOT NULL;

CREATE TABLE endpoints (
  id INTEGER PRIMARY KEY, app INTEGER NOT NULL, uid TEXT, settings TEXT NOT NULL,
  secrets BLOB NOT NULL, headers BLOB NOT NULL, failing_since_ms INTEGER,
  created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, version INTEGER NOT NULL
);
CREATE UNIQUE INDEX endpoint_uid ON endpoints (app, uid) WHERE uid IS NOT NULL;

CREATE TABLE event_types (
  env INTEGER NOT NULL, name TEXT NOT NULL, settings TEXT NOT NULL,
  created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (env, name)
) WITHOUT ROWID;

-- `endpoints`: the ids that matched, 8 bytes each, big-endian.
CREATE TABLE messages (
  id INTEGER PRIMARY KEY, app INTEGER NOT NULL, event_type TEXT NOT NULL, event_id TEXT,
  channels TEXT, endpoints BLOB NOT NULL, created_ms INTEGER NOT NULL,
  idempotency_key BLOB, idempotency_body BLOB, payload BLOB NOT NULL
);
CREATE INDEX message_app ON messages (app, id);

CREATE TABLE event_ids (
  app INTEGER NOT NULL, event_id TEXT NOT NULL, message INTEGER NOT NULL, PRIMARY KEY (app, event_id)
) WITHOUT ROWID;

-- Requests that were answered with 2xx: with a message, or with the answer kept here. The keys of the newest
-- messages are not here yet but in their rows and in memory (see `recent_keys`).
CREATE TABLE idempotency (
  key BLOB PRIMARY KEY, body BLOB NOT NULL, created_ms INTEGER NOT NULL,
  message INTEGER, status INTEGER, answer BLOB
) WITHOUT ROWID;

CREATE TABLE attempts (
  id INTEGER PRIMARY KEY, message INTEGER NOT NULL, endpoint INTEGER NOT NULL,
  success INTEGER NOT NULL, status INTEGER NOT NULL, error_code TEXT, error TEXT, url TEXT NOT NULL,
  started_ms INTEGER NOT NULL, duration_ms INTEGER NOT NULL, manual INTEGER NOT NULL, response BLOB NOT NULL
);
CREATE INDEX attempt_message ON attempts (message, endpoint, id);
CREATE INDEX attempt_endpoint ON attempts (endpoint, id);

-- Deliveries that wait: retries, resends and backlogs. A delivery that succeeds at once is never here.
CREATE TABLE schedule (
  endpoint INTEGER NOT NULL, message INTEGER NOT NULL, manual INTEGER NOT NULL,
  due_ms INTEGER NOT NULL, attempts INTEGER NOT NULL,
  PRIMARY KEY (endpoint, message, manual)
) WITHOUT ROWID;
CREATE INDEX schedule_due ON schedule (endpoint, due_ms);
CREATE INDEX schedule_message ON schedule (message);
