-- What a message is labelled with, for whoever looks for it; endpoints don't filter by it.
ALTER TABLE messages ADD COLUMN tags TEXT;
-- Not before then; NULL: at once; -1: never, it was cancelled.
ALTER TABLE messages ADD COLUMN deliver_ms INTEGER;

ALTER TABLE environments ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE environments ADD COLUMN updated_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE environments ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

-- `access`: what may be done with the key, as JSON; `app`: the one application that a token opens.
ALTER TABLE api_keys ADD COLUMN access TEXT NOT NULL DEFAULT '{}';
ALTER TABLE api_keys ADD COLUMN app INTEGER;
ALTER TABLE api_keys ADD COLUMN session TEXT;
ALTER TABLE api_keys ADD COLUMN expires_ms INTEGER;
CREATE INDEX api_key_app ON api_keys (app) WHERE app IS NOT NULL;

-- A failure that somebody has done with: it is no longer listed among the errors of its endpoint.
ALTER TABLE attempts ADD COLUMN cleared INTEGER NOT NULL DEFAULT 0;

-- Failures are few, or their endpoint has other troubles: finding them costs the others nothing.
CREATE INDEX attempt_failed ON attempts (endpoint, id) WHERE NOT success;

-- Jobs in the background. `cursor`: up to where they have come, `input` and `progress` as JSON.
CREATE TABLE tasks (
  id INTEGER PRIMARY KEY, env INTEGER NOT NULL, app INTEGER NOT NULL, kind TEXT NOT NULL, status TEXT NOT NULL,
  input TEXT NOT NULL, progress TEXT NOT NULL, cursor INTEGER NOT NULL, updated_ms INTEGER NOT NULL
);
CREATE INDEX task_env ON tasks (env, id);
CREATE INDEX task_running ON tasks (app) WHERE status = 'running';
