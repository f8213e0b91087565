-- The vault can erase rows without writing down whose they are.
--
-- Design: the condition of a mutation is stored in a file, and the text of a statement in logs. So the pseudonym to erase comes
-- as a row, and the statement names only the random number of the attempt. The partition of that number is dropped after the
-- erasure; the TTL is for attempts that were interrupted.
-- Effect on running programs: none. No program uses this table yet. Older programs continue to erase by a condition.

CREATE TABLE IF NOT EXISTS erasures
(
    attempt UInt64 COMMENT 'Random number of the erasure attempt',
    visitor FixedString(16) COMMENT 'Pseudonym whose rows are being erased' CODEC(NONE),
    begun_at DateTime('UTC') DEFAULT now() COMMENT 'When the attempt began'
)
ENGINE = MergeTree
PARTITION BY attempt
ORDER BY visitor
TTL begun_at + toIntervalDay(1)
SETTINGS merge_with_ttl_timeout = 3600, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Pseudonyms whose rows are being erased now; usually empty';
