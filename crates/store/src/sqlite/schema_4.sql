-- When people were last told that an endpoint fails.
CREATE TABLE notices (endpoint INTEGER PRIMARY KEY, told_ms INTEGER NOT NULL);
