-- What an endpoint's response asked for, as JSON, and the attempts whose replies the provider is yet to be told of.
ALTER TABLE attempts ADD COLUMN reply TEXT;
-- What responses set, for whoever the message was about: of an endpoint, or (0) of all the application's.
CREATE TABLE variables (
  app INTEGER NOT NULL, endpoint INTEGER NOT NULL, subject TEXT NOT NULL, name TEXT NOT NULL,
  value TEXT NOT NULL, created_ms INTEGER NOT NULL, updated_ms INTEGER NOT NULL,
  PRIMARY KEY (app, endpoint, subject, name)
) WITHOUT ROWID;
CREATE TABLE untold (attempt INTEGER PRIMARY KEY, message INTEGER NOT NULL);
