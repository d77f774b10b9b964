-- How many more requests than one are wanted of a row that was sent by hand.
ALTER TABLE schedule ADD COLUMN more INTEGER NOT NULL DEFAULT 0;
