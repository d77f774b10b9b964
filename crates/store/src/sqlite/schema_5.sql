-- What an endpoint's response asked for, as JSON, and the attempts whose replies the provider is yet to be told of.
ALTER TABLE attempts ADD COLUMN reply TEXT;
CREATE TABLE untold (attempt INTEGER PRIMARY KEY, message INTEGER NOT NULL);
