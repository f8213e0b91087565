-- The vault: pseudonymous rows with the publishing window of their arrival, kept for about two days.
--
-- Design: a partition has the rows of a day, of all sites, whose windows end on one date: rows that are deleted at about the same
-- time. A thousand sites do not mean a thousand partitions. Rows are sorted by site and pseudonym, so their order of arrival is not kept. No column can hold an address, a user agent, a URL or a value
-- that the client chose. Each key domain has its own rows, so its rows join with no other row: what was done is in `events`; each
-- attribute of a visit and of a device is in a row of its own, and each entry of a list too; so are signals and errors. Every
-- table that counts visitors says whether the day is the browser's first of the week, which windows of seven days need. `absence`
-- and `cohort` are buckets and never dates: dates would make a visitor's days recognisable. The retention worker deletes a site's
-- rows of a day after their windows are published, and drops the partition with the last of them; the TTL is the second safeguard.
-- The condition of a mutation is stored in a file, and the text of a statement in logs. So the pseudonym to erase comes as a row
-- of `erasures`, and the statement names only a number of the attempt. The rows of that number are removed after
-- the erasure. The table is in the memory of a server and never in a file; only the nodes of a cluster, which copy it from
-- each other, have it in files (src/store/cluster.rs).
-- The order of a table puts the rows of a pseudonym beside each other, so compression stores its random bytes once per visitor.
-- ZSTD(1) for every column reduced realistic days from 68 to 23 bytes per event (docs/publishing.md has the measurement).
-- Effect on running programs: none. No program uses these tables yet.

CREATE TABLE IF NOT EXISTS events
(
    batch UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Day of arrival, by the site''s time zone; also the day of the day key',
    window_end DateTime('UTC') COMMENT 'End of the publishing window in which the row arrived. No row has a more exact time',
    visitor FixedString(16) COMMENT 'Pseudonym of the browser for this day, for the key domain of visits',
    visit FixedString(16) COMMENT 'Pseudonym of the visit',
    view FixedString(16) COMMENT 'Pseudonym of the page view',
    confirmed Bool COMMENT 'The cookie has come back. Only browsers with such a row count as visitors',
    network UInt8 COMMENT 'Network class: one byte of the hash of the /24 or /48 with the day key. There are 256 classes; only the publishing rules use them',
    new_day Bool COMMENT 'First-visit flag: the first visit of this day',
    new_week Bool COMMENT 'First-visit flag: the first visit of this ISO week',
    new_month Bool COMMENT 'First-visit flag: the first visit of this calendar month',
    new_ever Bool COMMENT 'First-visit flag: the first visit ever, as far as the cookie remembers',
    new_window Bool COMMENT 'First-visit flag: this view begins the first visit of the window',
    visit_number LowCardinality(String) COMMENT 'Number of the visit in buckets: 1, 2, 3-5, 6-20, 21+',
    type LowCardinality(String) COMMENT 'view, engage, exit, event, search, or device. An event of type search or device only says that the visitor was here',
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
    name LowCardinality(String) COMMENT 'Name of a declared event. Only for events of type event',
    variant LowCardinality(String) COMMENT 'Variant of a declared event. Only for events of type event',
    suspect LowCardinality(String) COMMENT 'The sign of automation of a suspect; empty if there is none',
    absence LowCardinality(String) COMMENT 'Days since the day of the previous visit, in buckets, or never. Only on the first beacon of a day, otherwise empty',
    cohort LowCardinality(String) COMMENT 'Weeks since the week of the first visit, in buckets; empty if unknown'
)
ENGINE = MergeTree
PARTITION BY (day, toDate(window_end))
ORDER BY (site, visitor, visit, view, type)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         default_compression_codec = 'ZSTD(1)', fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Events of the sites, one row each. They are dropped with their day';

CREATE TABLE IF NOT EXISTS attributes
(
    batch UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Day of arrival, by the site''s time zone; also the day of the day key',
    window_end DateTime('UTC') COMMENT 'End of the publishing window in which the row arrived. No row has a more exact time',
    attribute LowCardinality(String) COMMENT 'Name of the attribute, which is also its key domain: place, client, device, hour, search, provider, an item of the device, or a declared pair of dimensions. Each entry of a list of the device has its own key domain',
    value LowCardinality(String) COMMENT 'Value of the attribute, or why it is absent: unsupported, blocked, timeout, error. Of a place its country, of a client its browser, of a device its class, of a pair its first value',
    detail LowCardinality(String) COMMENT 'What belongs to the value: of a place its region, of a client the major version of its browser, of a device its operating system, of a pair its second value; empty elsewhere',
    visitor FixedString(16) COMMENT 'Pseudonym of the browser, for this day and this attribute only; of a visit that is not the first of its window, that of the visit',
    confirmed Bool COMMENT 'The cookie has come back',
    network UInt8 COMMENT 'Network class: one byte of the hash of the /24 or /48, for the key domain of this attribute',
    new_week Bool COMMENT 'First-visit flag: this day is the browser''s first of its ISO week',
    new_month Bool COMMENT 'First-visit flag: this day is the browser''s first of its month',
    step UInt8 COMMENT '1: the row comes with the first view of a visit. 2: the visit goes on; of an hour, it has more views there. 0: neither',
    visit_tag UInt16 COMMENT 'Of a pair only: two bytes of a hash that distinguish the visits of one browser; 0 elsewhere'
)
ENGINE = MergeTree
PARTITION BY (day, toDate(window_end))
ORDER BY (site, attribute, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         default_compression_codec = 'ZSTD(1)', fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Attributes of visits, devices and connections, one row each, so that no two of them can be joined';

CREATE TABLE IF NOT EXISTS tallies
(
    batch UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Day of arrival, by the site''s time zone',
    window_end DateTime('UTC') COMMENT 'End of the publishing window in which the row arrived. No row has a more exact time',
    reason LowCardinality(String) COMMENT 'What is counted: count_only, an outcome, the class of a declared bot, the level or a reason of verdicts, or the views of an hour',
    count UInt32 COMMENT 'How many events'
)
ENGINE = MergeTree
PARTITION BY (day, toDate(window_end))
ORDER BY (site, reason, window_end)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         default_compression_codec = 'ZSTD(1)', fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Tallies: counts that belong to no visitor';

CREATE TABLE IF NOT EXISTS signals
(
    batch UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Day of arrival, by the site''s time zone; also the day of the day key',
    window_end DateTime('UTC') COMMENT 'End of the publishing window in which the row arrived. No row has a more exact time',
    signal LowCardinality(String) COMMENT 'canvas, webgl or automation; also the key domain',
    state LowCardinality(String) COMMENT 'normal or noised, the name of a detector, or why the signal is absent: unsupported, blocked, timeout, error',
    digest FixedString(16) COMMENT 'Hash of the digest that the browser sent, with the day key, for the key domain of this signal; zeroes if it sent none',
    visitor FixedString(16) COMMENT 'Pseudonym of the browser, for this day and this signal only; of automation, for this detector only',
    confirmed Bool COMMENT 'The cookie has come back',
    network UInt8 COMMENT 'Network class: one byte of the hash of the /24 or /48, for the key domain of the pseudonym',
    new_week Bool COMMENT 'First-visit flag: this day is the browser''s first of its ISO week',
    new_month Bool COMMENT 'First-visit flag: this day is the browser''s first of its month'
)
ENGINE = MergeTree
PARTITION BY (day, toDate(window_end))
ORDER BY (site, signal, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         default_compression_codec = 'ZSTD(1)', fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Security signals of devices, separate from their attributes: states and hashed digests, one row each';

CREATE TABLE IF NOT EXISTS errors
(
    batch UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Day of arrival, by the site''s time zone; also the day of the day key',
    window_end DateTime('UTC') COMMENT 'End of the publishing window in which the row arrived. No row has a more exact time',
    template LowCardinality(String) COMMENT 'Message as a template: parts that could identify a person are removed',
    browser LowCardinality(String) COMMENT 'Browser family',
    major LowCardinality(String) COMMENT 'Major version of the browser; empty if unknown',
    os LowCardinality(String) COMMENT 'System with its version; empty if the policy does not list it',
    visitor FixedString(16) COMMENT 'Pseudonym of the browser for this day, for the key domain of errors',
    confirmed Bool COMMENT 'The cookie has come back',
    network UInt8 COMMENT 'Network class: one byte of the hash of the /24 or /48, for the key domain of errors',
    new_week Bool COMMENT 'First-visit flag: this day is the browser''s first of its ISO week',
    new_month Bool COMMENT 'First-visit flag: this day is the browser''s first of its month'
)
ENGINE = MergeTree
PARTITION BY (day, toDate(window_end))
ORDER BY (site, template, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000,
         default_compression_codec = 'ZSTD(1)', fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Failures of the site''s scripts, one row each, without page and visit';

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

CREATE TABLE IF NOT EXISTS hour_counts
(
    node LowCardinality(String) COMMENT 'Name of the collector node that counted',
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    day Date COMMENT 'Day of the hour, by the site''s time zone',
    hour_end DateTime('UTC') COMMENT 'End of the hour',
    crowd UInt32 COMMENT 'Confirmed visitors; one network counts three at most',
    views UInt64 COMMENT 'Views',
    visits UInt64 COMMENT 'Visits that began in this hour',
    keys_lost UInt32 COMMENT 'How many day keys were lost on this day so far',
    complete Bool COMMENT 'The node has counted all of the hour. Otherwise it is published with its window'
)
ENGINE = MergeTree
PARTITION BY day
ORDER BY (site, hour_end, node)
TTL hour_end + toIntervalDay(2)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What each node has counted in each hour of a running window: sums that belong to nobody. An hour is published when all nodes have reported';

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

CREATE TABLE IF NOT EXISTS erasures
(
    attempt UInt64 COMMENT 'Number of the erasure attempt, which only the key of the spool makes',
    visitor FixedString(16) COMMENT 'Pseudonym whose rows are being erased',
    begun_at DateTime('UTC') DEFAULT now() COMMENT 'When the attempt began'
)
ENGINE = Memory
COMMENT 'Pseudonyms whose rows are being erased now, of one key domain at a time; in no file, and usually empty';
