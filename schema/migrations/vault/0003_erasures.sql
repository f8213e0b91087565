-- The vault learns to erase without writing down whom.
--
-- Why it is shaped so: a mutation's condition rests in a file, and a statement's text in logs. So the pseudonym to erase comes
-- as a row, like any other, and the statement names only the random number of the attempt. The partition of that number is
-- dropped when the rows are gone; the time to live is for attempts that were cut short.
-- What it does to running code: creates a table that nothing uses yet. Programs before it go on erasing by a condition.

CREATE TABLE IF NOT EXISTS erasures
(
    attempt UInt64 COMMENT 'Random number of the attempt to erase',
    visitor FixedString(16) COMMENT 'The pseudonym whose rows are being erased' CODEC(NONE),
    begun_at DateTime('UTC') DEFAULT now() COMMENT 'When the attempt began'
)
ENGINE = MergeTree
PARTITION BY attempt
ORDER BY visitor
TTL begun_at + toIntervalDay(1)
SETTINGS merge_with_ttl_timeout = 3600, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Pseudonyms whose rows are being erased at this moment; normally empty';
