-- The endpoints that a message goes to one after the other, as in `endpoints`; NULL: there is no such order.
ALTER TABLE messages ADD COLUMN chain bytea;
-- Where messages about an object go instead of to those that match.
CREATE TABLE addresses (
  app bigint NOT NULL, object text NOT NULL, endpoint bigint NOT NULL, set_ms bigint NOT NULL,
  PRIMARY KEY (app, object)
);
CREATE INDEX address_set ON addresses (set_ms);
