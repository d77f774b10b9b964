-- The endpoints that a message goes to one after the other, as in `endpoints`; NULL: there is no such order.
ALTER TABLE messages ADD COLUMN chain BLOB;
-- Where messages about an object go instead of to those that match.
CREATE TABLE addresses (
  app INTEGER NOT NULL, object TEXT NOT NULL, endpoint INTEGER NOT NULL, set_ms INTEGER NOT NULL,
  PRIMARY KEY (app, object)
) WITHOUT ROWID;
CREATE INDEX address_set ON addresses (set_ms);
