-- What an endpoint's response asked for, as JSON, and the attempts whose replies the provider is yet to be told of.
ALTER TABLE attempts ADD COLUMN reply text;
CREATE TABLE untold (attempt bigint PRIMARY KEY, message bigint NOT NULL);
