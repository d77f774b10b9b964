-- When people were last told that an endpoint fails.
CREATE TABLE notices (endpoint bigint PRIMARY KEY, told_ms bigint NOT NULL);
