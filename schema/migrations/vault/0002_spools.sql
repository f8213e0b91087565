-- How far the spool of each node has come. A copy of a spool that is put back finds here what it must not send again.
CREATE TABLE IF NOT EXISTS spools
(
    spool UInt64 COMMENT 'Random number of the spool',
    begun UInt64 COMMENT 'How many of its rows are stored, or may be',
    settled UInt64 COMMENT 'How many of its rows have an end that is known',
    last UInt64 COMMENT 'Sequence of the last of the rows that may be stored',
    written_at DateTime64(3, 'UTC') COMMENT 'When the node wrote it'
)
ENGINE = ReplacingMergeTree(begun)
ORDER BY spool
TTL toDateTime(written_at) + toIntervalDay(9)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'How far each spool has been emptied. A copy of it sends nothing a second time';
