-- How many more requests than one are wanted of a row that was sent by hand.
ALTER TABLE schedule ADD COLUMN more integer NOT NULL DEFAULT 0;
