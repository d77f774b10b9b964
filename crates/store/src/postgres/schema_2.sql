-- What a message is labelled with, for whoever looks for it; endpoints don't filter by it.
ALTER TABLE messages ADD COLUMN tags text;
-- Not before then; NULL: at once; -1: never, it was cancelled.
ALTER TABLE messages ADD COLUMN deliver_ms bigint;

ALTER TABLE environments ADD COLUMN settings text NOT NULL DEFAULT '{}';
ALTER TABLE environments ADD COLUMN updated_ms bigint NOT NULL DEFAULT 0;
ALTER TABLE environments ADD COLUMN version bigint NOT NULL DEFAULT 0;

-- `access`: what may be done with the key, as JSON; `app`: the one application that a token opens. A key
-- that may not do everything has another kind of hash, so that a node that doesn't know these columns
-- doesn't know the key either.
ALTER TABLE api_keys ADD COLUMN access text NOT NULL DEFAULT '{}';
ALTER TABLE api_keys ADD COLUMN app bigint;
ALTER TABLE api_keys ADD COLUMN session text;
ALTER TABLE api_keys ADD COLUMN expires_ms bigint;
CREATE INDEX api_key_app ON api_keys (app) WHERE app IS NOT NULL;

-- The lane that an endpoint shares with the others of its application, where those have a common rate.
ALTER TABLE endpoints ADD COLUMN lane bigint;

-- Where a delivery stands: its last attempt, also of a message that went to thousands of endpoints.
CREATE INDEX attempt_delivery ON attempts (message, endpoint, id);
DROP INDEX attempt_message;
-- A failure that somebody has done with: it is no longer listed among the errors of its endpoint.
ALTER TABLE attempts ADD COLUMN cleared boolean NOT NULL DEFAULT false;
-- Failures are few, or their endpoint has other troubles: finding them costs the others nothing.
CREATE INDEX attempt_failed ON attempts (endpoint, id) WHERE NOT success;

-- Jobs in the background. `cursor`: up to where they have come, `input` and `progress` as JSON.
CREATE TABLE tasks (
  id bigint PRIMARY KEY, env bigint NOT NULL, app bigint NOT NULL, kind text NOT NULL, status text NOT NULL,
  input text NOT NULL, progress text NOT NULL, cursor bigint NOT NULL, updated_ms bigint NOT NULL
);
CREATE INDEX task_env ON tasks (env, id);
CREATE INDEX task_running ON tasks (app) WHERE status = 'running';
