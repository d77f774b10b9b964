-- The endpoints that a message goes to one after the other, as in `endpoints`; NULL: there is no such order.
ALTER TABLE messages ADD COLUMN chain BLOB;
-- Where messages about an object go instead of to those that match.
CREATE TABLE addresses (
  app INTEGER NOT NULL, object TEXT NOT NULL, endpoint INTEGER NOT NULL, set_ms INTEGER NOT NULL,
  PRIMARY KEY (app, object)
) WITHOUT ROWID;
CREATE INDEX address_set ON addresses (set_ms);
-- What was sent by hand does not stand in an endpoint's line.
CREATE INDEX schedule_manual ON schedule (endpoint, due_ms) WHERE manual;
-- What consumers pull from an endpoint, in the order of commits, and how far each has come.
CREATE TABLE polled (endpoint INTEGER NOT NULL, message INTEGER NOT NULL, PRIMARY KEY (endpoint, message)) WITHOUT ROWID;
CREATE INDEX polled_message ON polled (message);
CREATE TABLE consumers (
  endpoint INTEGER NOT NULL, name TEXT NOT NULL, position INTEGER NOT NULL, moved_ms INTEGER NOT NULL,
  PRIMARY KEY (endpoint, name)
) WITHOUT ROWID;
-- All that is kept of somebody, whoever it is kept for.
CREATE INDEX variable_subject ON variables (app, subject);
