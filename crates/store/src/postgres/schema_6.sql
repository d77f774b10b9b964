-- Whether another attempt is to follow; NULL in rows of older versions. What is to be tried again has a row in `schedule`.
ALTER TABLE attempts ADD COLUMN retried boolean;
