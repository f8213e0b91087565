-- The result of the migrations: every table of both stores, as the engine shows it.
-- Generated from fresh databases; a test compares. UPDATE_EXPECT=1 cargo test --test it schema writes it anew.

CREATE TABLE tamga_vault.attributes
(
    `batch` UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `day` Date COMMENT 'Day of arrival, by the site\'s time zone; also the day of the day key',
    `window_end` DateTime('UTC') COMMENT 'End of the publishing window in which the row arrived. No row has a more exact time',
    `attribute` LowCardinality(String) COMMENT 'Name of the attribute, which is also its key domain: place, client, device, hour, search, provider, an item of the device, or a declared pair of dimensions. Each entry of a list of the device has its own key domain',
    `value` LowCardinality(String) COMMENT 'Value of the attribute, or why it is absent: unsupported, blocked, timeout, error. Of a place its country, of a client its browser, of a device its class, of a pair its first value',
    `detail` LowCardinality(String) COMMENT 'What belongs to the value: of a place its region, of a client the major version of its browser, of a device its operating system, of a pair its second value; empty elsewhere',
    `visitor` FixedString(16) COMMENT 'Pseudonym of the browser, for this day and this attribute only; of a visit that is not the first of its window, that of the visit',
    `confirmed` Bool COMMENT 'The cookie has come back',
    `network` UInt8 COMMENT 'Network class: one byte of the hash of the /24 or /48, for the key domain of this attribute',
    `new_week` Bool COMMENT 'First-visit flag: this day is the browser\'s first of its ISO week',
    `new_month` Bool COMMENT 'First-visit flag: this day is the browser\'s first of its month',
    `step` UInt8 COMMENT '1: the row comes with the first view of a visit. 2: the visit goes on; of an hour, it has more views there. 0: neither',
    `visit_tag` UInt16 COMMENT 'Of a pair only: two bytes of a hash that distinguish the visits of one browser; 0 elsewhere'
)
ENGINE = MergeTree
PARTITION BY (day, toDate(window_end))
ORDER BY (site, attribute, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000, default_compression_codec = 'ZSTD(1)', fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Attributes of visits, devices and connections, one row each, so that no two of them can be joined';

CREATE TABLE tamga_vault.erasures
(
    `attempt` UInt64 COMMENT 'Number of the erasure attempt, which only the key of the spool makes',
    `visitor` FixedString(16) COMMENT 'Pseudonym whose rows are being erased',
    `begun_at` DateTime('UTC') DEFAULT now() COMMENT 'When the attempt began'
)
ENGINE = Memory
COMMENT 'Pseudonyms whose rows are being erased now, of one key domain at a time; in no file, and usually empty';

CREATE TABLE tamga_vault.errors
(
    `batch` UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `day` Date COMMENT 'Day of arrival, by the site\'s time zone; also the day of the day key',
    `window_end` DateTime('UTC') COMMENT 'End of the publishing window in which the row arrived. No row has a more exact time',
    `template` LowCardinality(String) COMMENT 'Message as a template: parts that could identify a person are removed',
    `browser` LowCardinality(String) COMMENT 'Browser family',
    `major` LowCardinality(String) COMMENT 'Major version of the browser; empty if unknown',
    `os` LowCardinality(String) COMMENT 'System with its version; empty if the policy does not list it',
    `visitor` FixedString(16) COMMENT 'Pseudonym of the browser for this day, for the key domain of errors',
    `confirmed` Bool COMMENT 'The cookie has come back',
    `network` UInt8 COMMENT 'Network class: one byte of the hash of the /24 or /48, for the key domain of errors',
    `new_week` Bool COMMENT 'First-visit flag: this day is the browser\'s first of its ISO week',
    `new_month` Bool COMMENT 'First-visit flag: this day is the browser\'s first of its month'
)
ENGINE = MergeTree
PARTITION BY (day, toDate(window_end))
ORDER BY (site, template, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000, default_compression_codec = 'ZSTD(1)', fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Failures of the site\'s scripts, one row each, without page and visit';

CREATE TABLE tamga_vault.events
(
    `batch` UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `day` Date COMMENT 'Day of arrival, by the site\'s time zone; also the day of the day key',
    `window_end` DateTime('UTC') COMMENT 'End of the publishing window in which the row arrived. No row has a more exact time',
    `visitor` FixedString(16) COMMENT 'Pseudonym of the browser for this day, for the key domain of visits',
    `visit` FixedString(16) COMMENT 'Pseudonym of the visit',
    `view` FixedString(16) COMMENT 'Pseudonym of the page view',
    `confirmed` Bool COMMENT 'The cookie has come back. Only browsers with such a row count as visitors',
    `network` UInt8 COMMENT 'Network class: one byte of the hash of the /24 or /48 with the day key. There are 256 classes; only the publishing rules use them',
    `new_day` Bool COMMENT 'First-visit flag: the first visit of this day',
    `new_week` Bool COMMENT 'First-visit flag: the first visit of this ISO week',
    `new_month` Bool COMMENT 'First-visit flag: the first visit of this calendar month',
    `new_ever` Bool COMMENT 'First-visit flag: the first visit ever, as far as the cookie remembers',
    `new_window` Bool COMMENT 'First-visit flag: this view begins the first visit of the window',
    `visit_number` LowCardinality(String) COMMENT 'Number of the visit in buckets: 1, 2, 3-5, 6-20, 21+',
    `type` LowCardinality(String) COMMENT 'view, engage, exit, event, search, or device. An event of type search or device only says that the visitor was here',
    `path` LowCardinality(String) COMMENT 'Path as a template; empty where the event has none',
    `previous_path` LowCardinality(String) COMMENT 'Template of the previous path on the same site; empty if there was none',
    `step` UInt8 COMMENT 'Number of the view in its visit, 1 to 30',
    `duration_s` UInt16 COMMENT 'Duration of the visit so far in seconds, as the lower bound of a bucket',
    `engaged_s` UInt16 COMMENT 'Engaged time: how long the page was visible and focused, in seconds, as the lower bound of a bucket. Only for events of type engage',
    `entry_channel` LowCardinality(String) COMMENT 'How the visit began. Only on its first view, otherwise empty',
    `entry_source` LowCardinality(String) COMMENT 'Registrable domain of the referrer, or declared campaign source. Only on the first view of the visit',
    `entry_medium` LowCardinality(String) COMMENT 'Declared campaign medium. Only on the first view of the visit',
    `entry_campaign` LowCardinality(String) COMMENT 'Declared campaign. Only on the first view of the visit',
    `exit_domain` LowCardinality(String) COMMENT 'Registrable domain of a followed outbound link. Only for events of type exit',
    `name` LowCardinality(String) COMMENT 'Name of a declared event. Only for events of type event',
    `variant` LowCardinality(String) COMMENT 'Variant of a declared event. Only for events of type event',
    `suspect` LowCardinality(String) COMMENT 'The sign of automation of a suspect; empty if there is none',
    `absence` LowCardinality(String) COMMENT 'Days since the day of the previous visit, in buckets, or never. Only on the first beacon of a day, otherwise empty',
    `cohort` LowCardinality(String) COMMENT 'Weeks since the week of the first visit, in buckets; empty if unknown'
)
ENGINE = MergeTree
PARTITION BY (day, toDate(window_end))
ORDER BY (site, visitor, visit, view, type)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000, default_compression_codec = 'ZSTD(1)', fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Events of the sites, one row each. They are dropped with their day';

CREATE TABLE tamga_vault.hour_counts
(
    `node` LowCardinality(String) COMMENT 'Name of the collector node that counted',
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `day` Date COMMENT 'Day of the hour, by the site\'s time zone',
    `hour_end` DateTime('UTC') COMMENT 'End of the hour',
    `crowd` UInt32 COMMENT 'Confirmed visitors; one network counts three at most',
    `views` UInt64 COMMENT 'Views',
    `visits` UInt64 COMMENT 'Visits that began in this hour',
    `keys_lost` UInt32 COMMENT 'How many day keys were lost on this day so far',
    `complete` Bool COMMENT 'The node has counted all of the hour. Otherwise it is published with its window'
)
ENGINE = MergeTree
PARTITION BY day
ORDER BY (site, hour_end, node)
TTL hour_end + toIntervalDay(2)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'What each node has counted in each hour of a running window: sums that belong to nobody. An hour is published when all nodes have reported';

CREATE TABLE tamga_vault.leases
(
    `node` LowCardinality(String) COMMENT 'Name of the collector node',
    `complete_until` DateTime64(3, 'UTC') COMMENT 'Watermark: everything that this node received before it is in the vault',
    `written_at` DateTime64(3, 'UTC') COMMENT 'When the node wrote the lease'
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY node
TTL toDateTime(written_at) + toIntervalDay(9)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Leases: how far each node has emptied its spool. A window is published when all nodes have passed its end';

CREATE TABLE tamga_vault.schema_migrations
(
    `version` UInt32 COMMENT 'Number of the migration',
    `name` LowCardinality(String) COMMENT 'What it does',
    `checksum` LowCardinality(String) COMMENT 'BLAKE3 of the file that was applied, in hex',
    `statement` UInt32 COMMENT 'Number of the statement within the file, from 1',
    `applied_at` DateTime64(3, 'UTC') COMMENT 'When it had been carried out'
)
ENGINE = MergeTree
ORDER BY (version, statement)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Which statements of which migrations have been carried out';

CREATE TABLE tamga_vault.seeds
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window',
    `seed` FixedString(32) COMMENT 'Secret random value. The noise of this window is derived from it',
    `created_at` DateTime64(3, 'UTC') COMMENT 'When the seed was created'
)
ENGINE = MergeTree
ORDER BY (site, window_start, created_at)
TTL toDateTime(created_at) + toIntervalDay(9)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Random seeds of windows that are not yet published. The oldest seed of a window is used; it is deleted after publication';

CREATE TABLE tamga_vault.signals
(
    `batch` UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `day` Date COMMENT 'Day of arrival, by the site\'s time zone; also the day of the day key',
    `window_end` DateTime('UTC') COMMENT 'End of the publishing window in which the row arrived. No row has a more exact time',
    `signal` LowCardinality(String) COMMENT 'canvas, webgl or automation; also the key domain',
    `state` LowCardinality(String) COMMENT 'normal or noised, the name of a detector, or why the signal is absent: unsupported, blocked, timeout, error',
    `digest` FixedString(16) COMMENT 'Hash of the digest that the browser sent, with the day key, for the key domain of this signal; zeroes if it sent none',
    `visitor` FixedString(16) COMMENT 'Pseudonym of the browser, for this day and this signal only; of automation, for this detector only',
    `confirmed` Bool COMMENT 'The cookie has come back',
    `network` UInt8 COMMENT 'Network class: one byte of the hash of the /24 or /48, for the key domain of the pseudonym',
    `new_week` Bool COMMENT 'First-visit flag: this day is the browser\'s first of its ISO week',
    `new_month` Bool COMMENT 'First-visit flag: this day is the browser\'s first of its month'
)
ENGINE = MergeTree
PARTITION BY (day, toDate(window_end))
ORDER BY (site, signal, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000, default_compression_codec = 'ZSTD(1)', fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Security signals of devices, separate from their attributes: states and hashed digests, one row each';

CREATE TABLE tamga_vault.spools
(
    `spool` UInt64 COMMENT 'Random number of the spool',
    `begun` UInt64 COMMENT 'How many of its rows are stored, or may be',
    `settled` UInt64 COMMENT 'How many of its rows have an end that is known',
    `last` UInt64 COMMENT 'Sequence of the last of the rows that may be stored',
    `written_at` DateTime64(3, 'UTC') COMMENT 'When the node wrote it'
)
ENGINE = ReplacingMergeTree(begun)
ORDER BY spool
TTL toDateTime(written_at) + toIntervalDay(9)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'How far each spool has been emptied. A copy of it sends nothing a second time';

CREATE TABLE tamga_vault.tallies
(
    `batch` UInt64 COMMENT 'Random number of the insert of this row. If the outcome of an insert is unknown, its rows are counted by this number',
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `day` Date COMMENT 'Day of arrival, by the site\'s time zone',
    `window_end` DateTime('UTC') COMMENT 'End of the publishing window in which the row arrived. No row has a more exact time',
    `reason` LowCardinality(String) COMMENT 'What is counted: count_only, an outcome, the class of a declared bot, the level or a reason of verdicts, or the views of an hour',
    `count` UInt32 COMMENT 'How many events'
)
ENGINE = MergeTree
PARTITION BY (day, toDate(window_end))
ORDER BY (site, reason, window_end)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000, default_compression_codec = 'ZSTD(1)', fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Tallies: counts that belong to no visitor';

CREATE TABLE tamga_stats.attributes
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `attribute` LowCardinality(String) COMMENT 'Name of the attribute: provider, time_zone, languages, screen_size, screen_depth, screen_ratio, screen_window …',
    `value` LowCardinality(String) COMMENT 'Value of the attribute, or why it is absent (unsupported, blocked, timeout, error), or (other). A visitor has several values of a list (languages, fonts, plugins)',
    `visitors` Int64 COMMENT 'Confirmed visitors, with noise twice as wide as sigma',
    `devices` Nullable(Int64) COMMENT 'Of how many visitors the attribute is known: all rows of it together. Of a list and of the screen: how many devices answered. NULL if nothing says'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, attribute, value)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Attributes of devices and connections, each by itself';

CREATE TABLE tamga_stats.automation
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `reason` LowCardinality(String) COMMENT '`bot:` and the class of a declared bot; the sign of automation of a suspect; `detector:` and what a browser reported about itself; or (other)',
    `count` Int64 COMMENT 'Events, 100 of a visitor at most; for detectors, the number of reports. With noise ten times as wide as sigma, of declared bots three times',
    `visitors` Nullable(Int64) COMMENT 'Confirmed visitors, with noise twice as wide as sigma; NULL for declared bots, which are not distinguished, and for (other)'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, reason)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Declared bots and suspects. They are in no other table; detectors alone make no suspect';

CREATE TABLE tamga_stats.campaigns
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `carried_to` Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    `source` LowCardinality(String) COMMENT 'Declared campaign source or registrable domain; empty if there is none; or (other)',
    `medium` LowCardinality(String) COMMENT 'Declared medium; empty if there is none; or (other)',
    `campaign` LowCardinality(String) COMMENT 'Declared campaign; empty if there is none. (other) is the rest of its source and medium',
    `visits` Int64 COMMENT 'Visits',
    `visitors` Int64 COMMENT 'Confirmed visitors, each once, by how their first visit of the window began. With noise seven times as wide as sigma',
    `bounces` Int64 COMMENT 'Bounces: visits of one view with less than ten seconds of engaged time. With noise three times as wide as sigma',
    `goals` Map(LowCardinality(String), Int64) COMMENT 'Visits that reached each declared goal, by its name. A missing name was not declared. With noise three times as wide as sigma, more with several goals: three times the root of their number'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, source, medium, campaign)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Visits by campaign';

CREATE TABLE tamga_stats.clients
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `carried_to` Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    `browser` LowCardinality(String) COMMENT 'Browser family, or (other)',
    `major` LowCardinality(String) COMMENT 'Major version; empty if unknown. (other) is the rest of its browser',
    `visitors` Int64 COMMENT 'Confirmed visitors, each once',
    `visits` Int64 COMMENT 'Visits. With noise twice as wide as sigma'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, browser, major)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Visitors by browser';

CREATE TABLE tamga_stats.devices
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `carried_to` Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    `device` LowCardinality(String) COMMENT 'desktop, phone, tablet, tv, console or other, or (other)',
    `os` LowCardinality(String) COMMENT 'Operating system family. (other) is the rest of its device',
    `visitors` Int64 COMMENT 'Confirmed visitors, each once',
    `visits` Int64 COMMENT 'Visits. With noise twice as wide as sigma'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, device, os)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Visitors by device and operating system';

CREATE TABLE tamga_stats.entries
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `carried_to` Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    `channel` LowCardinality(String) COMMENT 'How visits began: direct, search, social …, or (other)',
    `source` LowCardinality(String) COMMENT 'Registrable domain or declared source; empty if there is none. (other) is the rest of its channel',
    `visits` Int64 COMMENT 'Visits',
    `visitors` Int64 COMMENT 'Confirmed visitors, each once, by how their first visit of the window began. With noise seven times as wide as sigma',
    `bounces` Int64 COMMENT 'Bounces: visits of one view with less than ten seconds of engaged time. With noise three times as wide as sigma',
    `goals` Map(LowCardinality(String), Int64) COMMENT 'Visits that reached each declared goal, by its name. A missing name was not declared. With noise three times as wide as sigma, more with several goals: three times the root of their number'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, channel, source)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Visits by channel and source';

CREATE TABLE tamga_stats.errors
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `carried_to` Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    `template` LowCardinality(String) COMMENT 'Message as a template, or (other)',
    `browser` LowCardinality(String) COMMENT 'Browser family. (other) is the rest of its template, also in the next two columns',
    `major` LowCardinality(String) COMMENT 'Major version of the browser; empty if unknown',
    `os` LowCardinality(String) COMMENT 'System with its version; empty if the policy does not list it',
    `count` Int64 COMMENT 'Number of events. With noise twice as wide as sigma',
    `visitors` Nullable(Int64) COMMENT 'Confirmed visitors, with noise twice as wide as sigma; NULL for (other), whose values may share visitors',
    `networks` Nullable(Int64) COMMENT 'Network classes with this error, of 256, with noise twice as wide as sigma; NULL for (other)'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, template, browser, major, os)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Errors of scripts in browsers';

CREATE TABLE tamga_stats.events
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `carried_to` Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    `name` LowCardinality(String) COMMENT 'Declared name of the event, or (other)',
    `count` Int64 COMMENT 'Number of events. With noise twice as wide as sigma',
    `visitors` Nullable(Int64) COMMENT 'Confirmed visitors; NULL for (other), whose values may share visitors'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, name)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Declared events';

CREATE TABLE tamga_stats.exits
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `carried_to` Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    `domain` LowCardinality(String) COMMENT 'Registrable domain of the outbound links, or (other)',
    `clicks` Int64 COMMENT 'Followed outbound links. With noise twice as wide as sigma',
    `visitors` Nullable(Int64) COMMENT 'Confirmed visitors; NULL for (other), whose values may share visitors'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, domain)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Followed outbound links by domain';

CREATE TABLE tamga_stats.experiments
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `experiment` LowCardinality(String) COMMENT 'Name of the event that has the variant',
    `goal` LowCardinality(String) COMMENT 'Declared name of the goal',
    `variant` LowCardinality(String) COMMENT 'Variant; empty for visits outside of the experiment; or (other)',
    `visits` Int64 COMMENT 'Visits. With noise twice as wide as sigma',
    `converted` Int64 COMMENT 'Visits that reached the goal. With noise as wide as sigma; twice with two to four goals, three times with more'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, experiment, goal, variant)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'A/B tests: visits and goals by variant';

CREATE TABLE tamga_stats.funnels
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `funnel` LowCardinality(String) COMMENT 'Declared name of the funnel',
    `step` UInt8 COMMENT 'Number of the step, from 1',
    `name` LowCardinality(String) COMMENT 'The step: a path or the name of an event',
    `visits` Int64 COMMENT 'Visits that took this step and all steps before it. Every step is published. With noise twice as wide as sigma, from the fifth step on four times'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, funnel, step)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Declared funnels: visits by step';

CREATE TABLE tamga_stats.hours
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `hour` LowCardinality(String) COMMENT 'Hour of the day, by the site\'s time zone, 00 to 23, or (other)',
    `views` Int64 COMMENT 'Page views, with noise three times as wide as sigma',
    `visits` Int64 COMMENT 'Visits that began in this hour'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, hour)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Views and visits by hour of the day. Rows of a running window appear as its hours end';

CREATE TABLE tamga_stats.landings
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `carried_to` Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    `channel` LowCardinality(String) COMMENT 'How visits began, or (other)',
    `source` LowCardinality(String) COMMENT 'Registrable domain or declared source; empty if there is none; or (other)',
    `path` LowCardinality(String) COMMENT 'First path of the visit as a template, or (other)',
    `visits` Int64 COMMENT 'Visits',
    `visitors` Int64 COMMENT 'Confirmed visitors, each once, by how their first visit of the window began. With noise seven times as wide as sigma',
    `bounces` Int64 COMMENT 'Bounces: visits of one view with less than ten seconds of engaged time. With noise three times as wide as sigma',
    `goals` Map(LowCardinality(String), Int64) COMMENT 'Visits that reached each declared goal, by its name. A missing name was not declared. With noise three times as wide as sigma, more with several goals: three times the root of their number'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, channel, source, path)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Visits by channel, source and first page';

CREATE TABLE tamga_stats.pages
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `carried_to` Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    `section` LowCardinality(String) COMMENT 'First segment of the path, where something is beneath it; else /; or (other)',
    `path` LowCardinality(String) COMMENT 'Path as a template. (other) is the rest of its section, whose numbers have noise four times as wide',
    `views` Int64 COMMENT 'Page views. With noise twice as wide as sigma',
    `visitors` Nullable(Int64) COMMENT 'Confirmed visitors of the page, with noise twice as wide as sigma; NULL for (other), whose pages may share visitors',
    `entries` Int64 COMMENT 'Visits that began on this page. With noise twice as wide as sigma',
    `last_pages` Int64 COMMENT 'Visits that began in the window and whose last view in it was this page. With noise twice as wide as sigma',
    `engaged_s` Nullable(Int64) COMMENT 'Engaged seconds on the page, as the middle of a bucket for each view; 120 of a visitor at most. With noise 360 times as wide as sigma. NULL for (other)'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, section, path)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Views by page';

CREATE TABLE tamga_stats.pairs
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `first_dimension` LowCardinality(String) COMMENT 'Name of the first dimension',
    `second_dimension` LowCardinality(String) COMMENT 'Name of the second dimension',
    `first` LowCardinality(String) COMMENT 'Value of the first dimension, or (other)',
    `second` LowCardinality(String) COMMENT 'Value of the second dimension. (other) is the rest of its first value',
    `visits` Int64 COMMENT 'Visits',
    `visitors` Nullable(Int64) COMMENT 'Confirmed visitors, with noise twice as wide as sigma; NULL for (other), whose values may share visitors'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, first_dimension, second_dimension, first, second)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Declared pairs: visits by two dimensions';

CREATE TABLE tamga_stats.places
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `carried_to` Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    `country` LowCardinality(String) COMMENT 'Country, ISO 3166-1 alpha-2; empty if unknown; or (other)',
    `region` LowCardinality(String) COMMENT 'Region; empty if unknown. (other) is the rest of its country',
    `visitors` Int64 COMMENT 'Confirmed visitors, each once, by their first place in the window',
    `visits` Int64 COMMENT 'Visits. With noise twice as wide as sigma'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, country, region)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Visitors by country and region';

CREATE TABLE tamga_stats.protection
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `level` LowCardinality(String) COMMENT 'Level of verdicts: low, elevated, high or critical; empty in the row of a reason',
    `reason` LowCardinality(String) COMMENT 'Coarse reason of verdicts; empty in the row of a level. A verdict has one level and up to eight reasons',
    `count` Int64 COMMENT 'Number of verdicts, with noise three times as wide as sigma. One sender adds three a day at most. What has fewer than 50 has no row'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, level, reason)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Account protection: verdicts by level, and by reason';

CREATE TABLE tamga_stats.publications
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `published_at` DateTime('UTC') COMMENT 'When the window was published',
    `complete` Bool COMMENT 'true if all nodes had emptied their spools past the end of the window, and the vault still had its rows',
    `events` Int64 COMMENT 'Events in the window, 100 of a visitor at most, with noise ten times as wide as sigma; 0 if the site had too few visitors for any table',
    `folded_share` Float32 COMMENT 'Share of page views in (other) of `pages`, computed from the published numbers, to two digits; 1 if no page is published',
    `late` Int64 COMMENT 'Late events: they belong to earlier windows, arrived after those were published, and are in no table. With noise three times as wide as sigma; 0 where they are few',
    `sigma` UInt32 COMMENT 'Standard deviation of the noise of every number of the window, except where docs/publishing.md names a wider one',
    `cut_share` Map(LowCardinality(String), Float32) COMMENT 'Share of what was counted that the bounds cut off: of views, of visits, and of the cells of some tables; from numbers with noise, to two digits',
    `first_declared` Array(String) COMMENT 'Goals, funnels, experiments and pairs that no window before had'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Ledger: which window was published when, and how completely. A window without a row here is not published';

CREATE TABLE tamga_stats.quality
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `outcome` LowCardinality(String) COMMENT 'Outcome of an event: accepted, or why it was dropped or rejected',
    `count` Int64 COMMENT 'Number of events, with noise three times as wide as sigma. An outcome with fewer than 50 has no row'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, outcome)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Data quality: events by outcome at the edge';

CREATE TABLE tamga_stats.recency
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `absence` LowCardinality(String) COMMENT 'Days since the day of the previous visit, in buckets; never; or (other)',
    `visitors` Int64 COMMENT 'Confirmed visitors whose first beacon of the day arrived in this window'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, absence)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Visitors by time since their previous visit';

CREATE TABLE tamga_stats.retention
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `cohort` LowCardinality(String) COMMENT 'Weeks since the week of the first visit, in buckets, or (other)',
    `visitors` Int64 COMMENT 'Confirmed visitors, each once an ISO week: on its first day of the week'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, cohort)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Visitors by age of their first visit';

CREATE TABLE tamga_stats.schema_migrations
(
    `version` UInt32 COMMENT 'Number of the migration',
    `name` LowCardinality(String) COMMENT 'What it does',
    `checksum` LowCardinality(String) COMMENT 'BLAKE3 of the file that was applied, in hex',
    `statement` UInt32 COMMENT 'Number of the statement within the file, from 1',
    `applied_at` DateTime64(3, 'UTC') COMMENT 'When it had been carried out'
)
ENGINE = MergeTree
ORDER BY (version, statement)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Which statements of which migrations have been carried out';

CREATE TABLE tamga_stats.searches
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `carried_to` Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    `term` LowCardinality(String) COMMENT 'Search term as a template, or (other)',
    `count` Int64 COMMENT 'Number of events. With noise twice as wide as sigma',
    `visitors` Nullable(Int64) COMMENT 'Confirmed visitors; NULL for (other), whose values may share visitors'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, term)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Searches on the site';

CREATE TABLE tamga_stats.site
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `views` Nullable(Int64) COMMENT 'Page views. With noise twice as wide as sigma',
    `visits` Nullable(Int64) COMMENT 'Visits. With noise twice as wide as sigma',
    `visitors` Int64 COMMENT 'Confirmed visitors. With noise twice as wide as sigma',
    `bounces` Nullable(Int64) COMMENT 'Bounces: visits of one view with less than ten seconds of engaged time. With noise three times as wide as sigma',
    `duration_s` Nullable(Int64) COMMENT 'Seconds of all visits together, each from its first beacon to its last, as the middle of a bucket; 600 of a visitor at most. With noise 1800 times as wide as sigma',
    `engaged_s` Nullable(Int64) COMMENT 'Engaged seconds of all visits together, as the middle of a bucket for each view; 300 of a visitor at most. With noise 900 times as wide as sigma',
    `goals` Map(LowCardinality(String), Int64) COMMENT 'Visits that reached each declared goal, by its name. A missing name was not declared. With noise three times as wide as sigma, more with several goals: three times the root of their number',
    `new_day` Nullable(Int64) COMMENT 'Visitors who are confirmed for the first time of the day in this window. Add up the windows of a day for its visitors. With the noise of `visitors` if the window begins the day, else four times as wide as sigma',
    `new_week` Nullable(Int64) COMMENT 'The same for the ISO week: add up the windows of a week for its visitors. With noise four times as wide as sigma',
    `new_month` Nullable(Int64) COMMENT 'The same for the month: add up the windows of a month for its visitors. With noise four times as wide as sigma',
    `new_ever` Nullable(Int64) COMMENT 'Visitors with their first visit ever, as far as cookies remember. With noise four times as wide as sigma',
    `count_only_views` Nullable(Int64) COMMENT 'Views of browsers that asked not to be measured (count only); with noise three times as wide as sigma. NULL below some 50 to 110 at the usual level'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Totals of a site';

CREATE TABLE tamga_stats.transitions
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `carried_to` Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    `from_path` LowCardinality(String) COMMENT 'Path as a template, or (other)',
    `to_path` LowCardinality(String) COMMENT 'Path that was opened next; (other) beside (other) only',
    `visits` Int64 COMMENT 'Visits in which to_path was opened from from_path. With noise twice as wide as sigma'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, from_path, to_path)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Movement from page to page';

CREATE TABLE tamga_stats.visits
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `day` Date COMMENT 'First day of the window, by the site\'s time zone',
    `pages` LowCardinality(String) COMMENT 'Page views of the visit in buckets, or (other)',
    `duration` LowCardinality(String) COMMENT 'Time from the first beacon of the visit to the last, in seconds, as the lower bound of a bucket. (other) is the rest of its pages',
    `visits` Int64 COMMENT 'Visits that began in the window'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, pages, duration)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Visits by number of pages and duration';
