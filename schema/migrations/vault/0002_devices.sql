-- The vault learns of searches, failed scripts and what a device tells.
--
-- Why it is shaped so: signals and errors have a table each, with pseudonyms of a key domain of their own, so that a row of
-- them joins with nothing; every table that counts visitors says whether the day is the browser's first of the week, which
-- windows of seven days count by. Of a list (fonts, plugins, languages) each entry is a row under a pseudonym of its own.
-- What it does to running code: adds columns that have a default and tables that nothing uses yet. A program of version 1
-- goes on writing rows without them.

ALTER TABLE events
    ADD COLUMN IF NOT EXISTS search_term LowCardinality(String) COMMENT 'What the site was searched for, as a template; search only';

ALTER TABLE events
    COMMENT COLUMN IF EXISTS type 'view, engage, exit, event, search, or device: nothing but the device''s evidence of automation';

ALTER TABLE attributes
    ADD COLUMN IF NOT EXISTS new_week Bool COMMENT 'The day is the first of the browser in its ISO week';

ALTER TABLE attributes
    COMMENT COLUMN IF EXISTS attribute 'Name of the attribute, which is also its key domain; of a list, each entry has a key domain';

CREATE TABLE IF NOT EXISTS signals
(
    batch UInt64 COMMENT 'Random value of the insert that brought the row; by it an insert of unknown outcome is counted',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Site-local day of arrival; the day of the key',
    hour DateTime('UTC') COMMENT 'Start of the site-local hour of arrival',
    signal LowCardinality(String) COMMENT 'canvas, webgl or automation; also its key domain',
    state LowCardinality(String) COMMENT 'normal or noised, the name of a detector, or why it is absent: unsupported, blocked, timeout, error',
    digest FixedString(16) COMMENT 'Day-keyed hash, under a key domain of this signal, of the digest that the browser sent; zeroes when it sent none' CODEC(NONE),
    visitor FixedString(16) COMMENT 'Pseudonym of the browser for this day and this signal alone; of automation, for this detector alone' CODEC(NONE),
    confirmed Bool COMMENT 'The cookie had come back',
    network UInt8 COMMENT 'One byte of the hash of the /24 or /48 under the key domain of the pseudonym',
    new_week Bool COMMENT 'The day is the first of the browser in its ISO week'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, signal, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Security signals of devices, apart from their attributes: states and day-keyed digests, one narrow row each';

CREATE TABLE IF NOT EXISTS errors
(
    batch UInt64 COMMENT 'Random value of the insert that brought the row; by it an insert of unknown outcome is counted',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Site-local day of arrival; the day of the key',
    hour DateTime('UTC') COMMENT 'Start of the site-local hour of arrival',
    template LowCardinality(String) COMMENT 'The message as a template: what could name someone is folded',
    browser LowCardinality(String) COMMENT 'Browser family',
    visitor FixedString(16) COMMENT 'Pseudonym of the browser for this day, under the key domain of errors' CODEC(NONE),
    confirmed Bool COMMENT 'The cookie had come back',
    network UInt8 COMMENT 'One byte of the hash of the /24 or /48 under the key domain of errors',
    new_week Bool COMMENT 'The day is the first of the browser in its ISO week'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, template, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Scripts of the site that failed, one row per failure, without the page or the visit';
