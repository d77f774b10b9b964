-- Days that a message is kept, and what expiry looks for.
ALTER TABLE messages ADD COLUMN class INTEGER NOT NULL DEFAULT 90;
CREATE INDEX message_class ON messages (class, id);
CREATE INDEX idempotency_created ON idempotency (created_ms);
