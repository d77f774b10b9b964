CREATE TABLE meta (key text PRIMARY KEY, value bytea NOT NULL);

-- The version of the configuration: rises by one with every change, in the change's own commit.
CREATE TABLE config (version bigint NOT NULL);
INSERT INTO config VALUES (0);

-- What each version changed, so that nodes read only that. Old lines are removed; a node that is
-- further behind reads everything. `scope`: the environment of an event type, the application of an
-- endpoint.
CREATE TABLE config_log (
  version bigint PRIMARY KEY, kind text NOT NULL, id bigint, scope bigint, name text,
  logged_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE environments (id bigint PRIMARY KEY, name text NOT NULL, created_ms bigint NOT NULL);
INSERT INTO environments VALUES (1, 'default', 0);

CREATE TABLE api_keys (
  id bigint PRIMARY KEY, env bigint NOT NULL, name text NOT NULL, hash bytea NOT NULL UNIQUE,
  created_ms bigint NOT NULL, revoked_ms bigint
);

-- Settings are JSON as text, so that a new one needs no migration; what is searched by has a column.
-- `routing`: the version of an application's routing; a message commits only if it was routed by it.
CREATE TABLE applications (
  id bigint PRIMARY KEY, env bigint NOT NULL, uid text, settings text NOT NULL,
  created_ms bigint NOT NULL, updated_ms bigint NOT NULL, version bigint NOT NULL, routing bigint NOT NULL
);
CREATE UNIQUE INDEX application_uid ON applications (env, uid) WHERE uid IS NOT NULL;

CREATE TABLE endpoints (
  id bigint PRIMARY KEY, app bigint NOT NULL, uid text, settings text NOT NULL,
  secrets bytea NOT NULL, headers bytea NOT NULL, failing_since_ms bigint,
  created_ms bigint NOT NULL, updated_ms bigint NOT NULL, version bigint NOT NULL
);
CREATE INDEX endpoint_app ON endpoints (app);
CREATE UNIQUE INDEX endpoint_uid ON endpoints (app, uid) WHERE uid IS NOT NULL;

CREATE TABLE event_types (
  env bigint NOT NULL, name text NOT NULL, settings text NOT NULL,
  created_ms bigint NOT NULL, updated_ms bigint NOT NULL, version bigint NOT NULL,
  PRIMARY KEY (env, name)
);

-- Processes, one row for each start. `fence` and `seq` number its commits, see `commit`; `slot` is
-- its part of the ids it gives out; `watermark` is where its recovery begins. Written with every
-- commit, so rows have room to be rewritten in place.
CREATE TABLE nodes (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, slot integer NOT NULL, name text NOT NULL,
  version text NOT NULL, started_at timestamptz NOT NULL DEFAULT now(), lease_until timestamptz NOT NULL,
  fence bigint NOT NULL DEFAULT 0, seq bigint NOT NULL DEFAULT 0, last_id bigint NOT NULL,
  watermark bigint NOT NULL, dead boolean NOT NULL DEFAULT false, adopted boolean NOT NULL DEFAULT false
) WITH (fillfactor = 20, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE UNIQUE INDEX node_slot ON nodes (slot) WHERE NOT dead;

-- `endpoints`: the ids that matched, 8 bytes each, big-endian. `node`: who delivers it from memory.
-- Partitions are made by `partition` and dropped by `expire`: by class (the days to keep them), then
-- by day of the id.
CREATE TABLE messages (
  id bigint NOT NULL, class smallint NOT NULL, app bigint NOT NULL, node bigint NOT NULL,
  event_type text NOT NULL, event_id text, channels text, endpoints bytea NOT NULL,
  created_ms bigint NOT NULL, payload bytea NOT NULL
) PARTITION BY LIST (class);
CREATE INDEX message_id ON messages (id);
CREATE INDEX message_app ON messages (app, id);

-- Partitioned by the day of the message.
CREATE TABLE attempts (
  id bigint NOT NULL, message bigint NOT NULL, endpoint bigint NOT NULL,
  success boolean NOT NULL, status smallint NOT NULL, error_code text, error text, url text NOT NULL,
  started_ms bigint NOT NULL, duration_ms bigint NOT NULL, manual boolean NOT NULL, response bytea NOT NULL
) PARTITION BY RANGE (message);
CREATE INDEX attempt_message ON attempts (message, id);
CREATE INDEX attempt_endpoint ON attempts (endpoint, id);

CREATE TABLE event_ids (
  app bigint NOT NULL, event_id text NOT NULL, message bigint NOT NULL, created_ms bigint NOT NULL,
  PRIMARY KEY (app, event_id)
);
CREATE INDEX event_id_message ON event_ids (message);

-- Requests that were answered with 2xx: with a message, or with the answer kept here.
CREATE TABLE idempotency (
  key bytea PRIMARY KEY, body bytea NOT NULL, created_ms bigint NOT NULL,
  message bigint, status integer, answer bytea
);
CREATE INDEX idempotency_created ON idempotency (created_ms);

-- Deliveries that wait: retries, resends and backlogs. `holder`: the node that has it in memory as
-- well and will send it; while that node lives, nobody else does.
CREATE TABLE schedule (
  endpoint bigint NOT NULL, message bigint NOT NULL, manual boolean NOT NULL,
  due_ms bigint NOT NULL, attempts integer NOT NULL, holder bigint,
  PRIMARY KEY (endpoint, message, manual)
);
CREATE INDEX schedule_due ON schedule (endpoint, due_ms);
CREATE INDEX schedule_message ON schedule (message);

-- Which node works on an endpoint's waiting deliveries, and on all of them where it has limits.
CREATE TABLE lanes (endpoint bigint PRIMARY KEY, node bigint NOT NULL);
CREATE INDEX lane_node ON lanes (node);

-- Up to which message the slow sweep has come.
CREATE TABLE sweep (message bigint NOT NULL);
INSERT INTO sweep VALUES (0);

-- The first statement of every commit. Renews the node's lease, and ends the transaction if the node
-- has been given up (PR001). Holds off changes of the configuration until the commit, or, for a
-- change, all commits. Returns the version of the configuration.
CREATE FUNCTION postrider_begin(
  node_id bigint, node_fence bigint, node_seq bigint, lease_ms integer, newest_id bigint,
  new_watermark bigint, exclusive boolean
) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('idle_in_transaction_session_timeout', '5000', true);
  UPDATE nodes SET seq = node_seq, lease_until = clock_timestamp() + lease_ms * interval '1 millisecond',
    last_id = greatest(last_id, newest_id), watermark = coalesce(new_watermark, watermark)
  WHERE id = node_id AND fence = node_fence AND NOT dead;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'this node has been given up' USING ERRCODE = 'PR001';
  END IF;
  IF exclusive THEN
    PERFORM pg_advisory_xact_lock(80710001);
  ELSE
    PERFORM pg_advisory_xact_lock_shared(80710001);
  END IF;
  RETURN (SELECT version FROM config);
END $$;
