-- The vault: pseudonymous rows, at hour precision, for about two days.
--
-- Why it is shaped so: one partition is one site and one of its days, which is also the life of a key and the unit of
-- dropping; rows are ordered by pseudonym, so the order in which they arrived is not kept; no table has a column that could
-- hold an address, an agent, a URL or a value that the client chose. The time to live is the last net: a worker drops
-- partitions when the windows that hold their rows are published.
-- What it does to running code: creates tables that nothing uses yet.

CREATE TABLE IF NOT EXISTS events
(
    batch UInt64 COMMENT 'Random value of the insert that brought the row; by it an insert of unknown outcome is counted',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Site-local day of arrival; the day of the key',
    hour DateTime('UTC') COMMENT 'Start of the site-local hour of arrival',
    visitor FixedString(16) COMMENT 'Pseudonym of the browser for this day, under the key domain of visits' CODEC(NONE),
    visit FixedString(16) COMMENT 'Pseudonym of the visit' CODEC(NONE),
    view FixedString(16) COMMENT 'Pseudonym of the page view' CODEC(NONE),
    confirmed Bool COMMENT 'The cookie had come back; only browsers with such a row count as visitors',
    network UInt8 COMMENT 'One byte of the day-keyed hash of the /24 or /48; 256 classes, used by the publishing rules alone',
    new_day Bool COMMENT 'First visit of this day',
    new_week Bool COMMENT 'First visit of this ISO week',
    new_month Bool COMMENT 'First visit of this calendar month',
    new_ever Bool COMMENT 'First visit as far as the cookie reaches',
    visit_number LowCardinality(String) COMMENT 'Number of the visit in buckets: 1, 2, 3-5, 6-20, 21+',
    type LowCardinality(String) COMMENT 'view, engage, exit or event',
    path LowCardinality(String) COMMENT 'Path as a template; empty where the event has none',
    previous_path LowCardinality(String) COMMENT 'Template of the path before, on the same site; empty when there was none',
    step UInt8 COMMENT 'Number of the view within its visit, 1 to 30',
    duration_s UInt16 COMMENT 'Duration of the visit so far, lower bound of its bucket, in seconds',
    engaged_s UInt16 COMMENT 'Time the page was visible and focused, lower bound of its bucket, in seconds; engage only',
    entry_channel LowCardinality(String) COMMENT 'How the visit began; on its first view only, otherwise empty',
    entry_source LowCardinality(String) COMMENT 'Registrable domain of the referrer or declared campaign source; likewise',
    entry_medium LowCardinality(String) COMMENT 'Declared campaign medium; likewise',
    entry_campaign LowCardinality(String) COMMENT 'Declared campaign; likewise',
    exit_domain LowCardinality(String) COMMENT 'Registrable domain of a followed outbound link; exit only',
    country LowCardinality(String) COMMENT 'ISO 3166-1 alpha-2 of the address, looked up in memory; empty when unknown',
    region LowCardinality(String) COMMENT 'Region of the address; empty when unknown',
    browser LowCardinality(String) COMMENT 'Browser family',
    browser_major UInt16 COMMENT 'Major version; 0 when unknown',
    os LowCardinality(String) COMMENT 'Operating system family',
    device LowCardinality(String) COMMENT 'desktop, phone, tablet, tv, console or other',
    name LowCardinality(String) COMMENT 'Name of a configured event; event only',
    variant LowCardinality(String) COMMENT 'Variant of a configured event; event only',
    suspect LowCardinality(String) COMMENT 'Why the sender may be a program; empty when nothing speaks for it'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, visitor, visit, view, type)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What happened on the sites: one row per event, dropped with its day';

CREATE TABLE IF NOT EXISTS attributes
(
    batch UInt64 COMMENT 'Random value of the insert that brought the row; by it an insert of unknown outcome is counted',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Site-local day of arrival; the day of the key',
    hour DateTime('UTC') COMMENT 'Start of the site-local hour of arrival',
    attribute LowCardinality(String) COMMENT 'Name of the attribute, which is also its key domain',
    value LowCardinality(String) COMMENT 'Its value, or why it is absent: unsupported, blocked, timeout, error',
    visitor FixedString(16) COMMENT 'Pseudonym of the browser for this day and this attribute alone' CODEC(NONE),
    confirmed Bool COMMENT 'The cookie had come back',
    network UInt8 COMMENT 'One byte of the hash of the /24 or /48 under the key domain of this attribute'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, attribute, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Attributes of devices and connections, one narrow row each, so that no joint fingerprint exists at rest';

CREATE TABLE IF NOT EXISTS tallies
(
    batch UInt64 COMMENT 'Random value of the insert that brought the row; by it an insert of unknown outcome is counted',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Site-local day of arrival',
    hour DateTime('UTC') COMMENT 'Start of the site-local hour of arrival',
    reason LowCardinality(String) COMMENT 'What is counted: count_only, or the class of a declared bot',
    count UInt32 COMMENT 'How many events'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, reason, hour)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Counts that bear no pseudonym';

CREATE TABLE IF NOT EXISTS leases
(
    node LowCardinality(String) COMMENT 'Name of the collector node',
    complete_until DateTime64(3, 'UTC') COMMENT 'Everything this node received before this moment is in the vault',
    written_at DateTime64(3, 'UTC') COMMENT 'When the node said so'
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY node
TTL toDateTime(written_at) + toIntervalDay(9)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'How far each node has emptied its spool; a window is published when all have passed its end';

CREATE TABLE IF NOT EXISTS seeds
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window',
    seed FixedString(32) COMMENT 'Random; the secret thresholds of the cells of this window are derived from it',
    created_at DateTime64(3, 'UTC') COMMENT 'When the seed was created'
)
ENGINE = MergeTree
ORDER BY (site, window_start, created_at)
TTL toDateTime(created_at) + toIntervalDay(9)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Seeds of windows that are not yet published; the oldest of a window counts, and it is deleted with publication';
