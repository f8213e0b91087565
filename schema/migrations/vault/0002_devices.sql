-- The vault gets searches, errors of scripts, and attributes of devices.
--
-- Design: signals and errors have a table each, with pseudonyms of their own key domain, so their rows join with no other row.
-- Every table that counts visitors says whether the day is the browser's first of the week, which windows of seven days need.
-- Each entry of a list (fonts, plugins, languages) is a row with its own pseudonym.
-- Effect on running programs: none. New columns have a default, and no program uses the new tables yet. A program of version 1
-- continues to write rows without the new columns.

ALTER TABLE events
    ADD COLUMN IF NOT EXISTS search_term LowCardinality(String) COMMENT 'Search term as a template. Only for events of type search';

ALTER TABLE events
    COMMENT COLUMN IF EXISTS type 'view, engage, exit, event, search, or device. An event of type device carries only signs of automation';

ALTER TABLE attributes
    ADD COLUMN IF NOT EXISTS new_week Bool COMMENT 'First-visit flag: this day is the browser''s first of its ISO week';

ALTER TABLE attributes
    COMMENT COLUMN IF EXISTS attribute 'Name of the attribute, which is also its key domain. Each entry of a list has its own key domain';

CREATE TABLE IF NOT EXISTS signals
(
    batch UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Day of arrival, by the site''s time zone; also the day of the day key',
    hour DateTime('UTC') COMMENT 'Start of the hour of arrival, by the site''s time zone',
    signal LowCardinality(String) COMMENT 'canvas, webgl or automation; also the key domain',
    state LowCardinality(String) COMMENT 'normal or noised, the name of a detector, or why the signal is absent: unsupported, blocked, timeout, error',
    digest FixedString(16) COMMENT 'Hash of the digest that the browser sent, with the day key, for the key domain of this signal; zeroes if it sent none' CODEC(NONE),
    visitor FixedString(16) COMMENT 'Pseudonym of the browser, for this day and this signal only; of automation, for this detector only' CODEC(NONE),
    confirmed Bool COMMENT 'The cookie has come back',
    network UInt8 COMMENT 'Network class: one byte of the hash of the /24 or /48, for the key domain of the pseudonym',
    new_week Bool COMMENT 'First-visit flag: this day is the browser''s first of its ISO week'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, signal, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Security signals of devices, separate from their attributes: states and hashed digests, one row each';

CREATE TABLE IF NOT EXISTS errors
(
    batch UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Day of arrival, by the site''s time zone; also the day of the day key',
    hour DateTime('UTC') COMMENT 'Start of the hour of arrival, by the site''s time zone',
    template LowCardinality(String) COMMENT 'Message as a template: parts that could identify a person are removed',
    browser LowCardinality(String) COMMENT 'Browser family',
    visitor FixedString(16) COMMENT 'Pseudonym of the browser for this day, for the key domain of errors' CODEC(NONE),
    confirmed Bool COMMENT 'The cookie has come back',
    network UInt8 COMMENT 'Network class: one byte of the hash of the /24 or /48, for the key domain of errors',
    new_week Bool COMMENT 'First-visit flag: this day is the browser''s first of its ISO week'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, template, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Failures of the site''s scripts, one row each, without page and visit';
