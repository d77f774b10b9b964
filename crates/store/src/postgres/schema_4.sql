-- What an endpoint's response asked for, as JSON, and the attempts whose replies the provider is yet to be told of.
ALTER TABLE attempts ADD COLUMN reply text;
-- What responses set, for whoever the message was about: of an endpoint, or (0) of all the application's.
CREATE TABLE variables (
  app bigint NOT NULL, endpoint bigint NOT NULL, subject text NOT NULL, name text NOT NULL,
  value text NOT NULL, created_ms bigint NOT NULL, updated_ms bigint NOT NULL,
  PRIMARY KEY (app, endpoint, subject, name)
);
CREATE TABLE untold (attempt bigint PRIMARY KEY, message bigint NOT NULL);
