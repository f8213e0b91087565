-- The vault: pseudonymous rows with the hour of arrival, kept for about two days.
--
-- Design: one partition is one site and one of its days, which is also the life of a day key and the unit of deletion. Rows are
-- sorted by pseudonym, so their order of arrival is not kept. No column can hold an address, a user agent, a URL or a value
-- that the client chose. The retention worker drops a partition after its windows are published; the TTL is the second
-- safeguard.
-- Effect on running programs: none. No program uses these tables yet.

CREATE TABLE IF NOT EXISTS events
(
    batch UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Day of arrival, by the site''s time zone; also the day of the day key',
    hour DateTime('UTC') COMMENT 'Start of the hour of arrival, by the site''s time zone',
    visitor FixedString(16) COMMENT 'Pseudonym of the browser for this day, for the key domain of visits' CODEC(NONE),
    visit FixedString(16) COMMENT 'Pseudonym of the visit' CODEC(NONE),
    view FixedString(16) COMMENT 'Pseudonym of the page view' CODEC(NONE),
    confirmed Bool COMMENT 'The cookie has come back. Only browsers with such a row count as visitors',
    network UInt8 COMMENT 'Network class: one byte of the hash of the /24 or /48 with the day key. There are 256 classes; only the publishing rules use them',
    new_day Bool COMMENT 'First-visit flag: the first visit of this day',
    new_week Bool COMMENT 'First-visit flag: the first visit of this ISO week',
    new_month Bool COMMENT 'First-visit flag: the first visit of this calendar month',
    new_ever Bool COMMENT 'First-visit flag: the first visit ever, as far as the cookie remembers',
    visit_number LowCardinality(String) COMMENT 'Number of the visit in buckets: 1, 2, 3-5, 6-20, 21+',
    type LowCardinality(String) COMMENT 'view, engage, exit or event',
    path LowCardinality(String) COMMENT 'Path as a template; empty where the event has none',
    previous_path LowCardinality(String) COMMENT 'Template of the previous path on the same site; empty if there was none',
    step UInt8 COMMENT 'Number of the view in its visit, 1 to 30',
    duration_s UInt16 COMMENT 'Duration of the visit so far in seconds, as the lower bound of a bucket',
    engaged_s UInt16 COMMENT 'Engaged time: how long the page was visible and focused, in seconds, as the lower bound of a bucket. Only for events of type engage',
    entry_channel LowCardinality(String) COMMENT 'How the visit began. Only on its first view, otherwise empty',
    entry_source LowCardinality(String) COMMENT 'Registrable domain of the referrer, or declared campaign source. Only on the first view of the visit',
    entry_medium LowCardinality(String) COMMENT 'Declared campaign medium. Only on the first view of the visit',
    entry_campaign LowCardinality(String) COMMENT 'Declared campaign. Only on the first view of the visit',
    exit_domain LowCardinality(String) COMMENT 'Registrable domain of a followed outbound link. Only for events of type exit',
    country LowCardinality(String) COMMENT 'Country of the address, ISO 3166-1 alpha-2; empty if unknown. The address itself is never stored',
    region LowCardinality(String) COMMENT 'Region of the address; empty if unknown',
    browser LowCardinality(String) COMMENT 'Browser family',
    browser_major UInt16 COMMENT 'Major version of the browser; 0 if unknown',
    os LowCardinality(String) COMMENT 'Operating system family',
    device LowCardinality(String) COMMENT 'desktop, phone, tablet, tv, console or other',
    name LowCardinality(String) COMMENT 'Name of a declared event. Only for events of type event',
    variant LowCardinality(String) COMMENT 'Variant of a declared event. Only for events of type event',
    suspect LowCardinality(String) COMMENT 'The sign of automation of a suspect; empty if there is none'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, visitor, visit, view, type)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Events of the sites, one row each. They are dropped with their day';

CREATE TABLE IF NOT EXISTS attributes
(
    batch UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Day of arrival, by the site''s time zone; also the day of the day key',
    hour DateTime('UTC') COMMENT 'Start of the hour of arrival, by the site''s time zone',
    attribute LowCardinality(String) COMMENT 'Name of the attribute, which is also its key domain',
    value LowCardinality(String) COMMENT 'Value of the attribute, or why it is absent: unsupported, blocked, timeout, error',
    visitor FixedString(16) COMMENT 'Pseudonym of the browser, for this day and this attribute only' CODEC(NONE),
    confirmed Bool COMMENT 'The cookie has come back',
    network UInt8 COMMENT 'Network class: one byte of the hash of the /24 or /48, for the key domain of this attribute'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, attribute, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Attributes of devices and connections, one row each, so that no combined fingerprint is stored';

CREATE TABLE IF NOT EXISTS tallies
(
    batch UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Day of arrival, by the site''s time zone',
    hour DateTime('UTC') COMMENT 'Start of the hour of arrival, by the site''s time zone',
    reason LowCardinality(String) COMMENT 'What is counted: count_only, an outcome, or the class of a declared bot',
    count UInt32 COMMENT 'How many events'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, reason, hour)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Tallies: counts that belong to no visitor';

CREATE TABLE IF NOT EXISTS leases
(
    node LowCardinality(String) COMMENT 'Name of the collector node',
    complete_until DateTime64(3, 'UTC') COMMENT 'Watermark: everything that this node received before it is in the vault',
    written_at DateTime64(3, 'UTC') COMMENT 'When the node wrote the lease'
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY node
TTL toDateTime(written_at) + toIntervalDay(9)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Leases: how far each node has emptied its spool. A window is published when all nodes have passed its end';

CREATE TABLE IF NOT EXISTS seeds
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window',
    seed FixedString(32) COMMENT 'Secret random value. The noise of this window is derived from it',
    created_at DateTime64(3, 'UTC') COMMENT 'When the seed was created'
)
ENGINE = MergeTree
ORDER BY (site, window_start, created_at)
TTL toDateTime(created_at) + toIntervalDay(9)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Random seeds of windows that are not yet published. The oldest seed of a window is used; it is deleted after publication';
