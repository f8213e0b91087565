-- Where the migrations lead: every table of both stores, as the engine says it has made them.
-- Generated from fresh databases; a test compares. UPDATE_EXPECT=1 cargo test --test it schema writes it anew.

CREATE TABLE tamga_vault.attributes
(
    `batch` UInt64 COMMENT 'Random value of the insert that brought the row; by it an insert of unknown outcome is counted',
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `day` Date COMMENT 'Site-local day of arrival; the day of the key',
    `hour` DateTime('UTC') COMMENT 'Start of the site-local hour of arrival',
    `attribute` LowCardinality(String) COMMENT 'Name of the attribute, which is also its key domain; of a list, each entry has a key domain',
    `value` LowCardinality(String) COMMENT 'Its value, or why it is absent: unsupported, blocked, timeout, error',
    `visitor` FixedString(16) COMMENT 'Pseudonym of the browser for this day and this attribute alone' CODEC(NONE),
    `confirmed` Bool COMMENT 'The cookie had come back',
    `network` UInt8 COMMENT 'One byte of the hash of the /24 or /48 under the key domain of this attribute',
    `new_week` Bool COMMENT 'The day is the first of the browser in its ISO week'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, attribute, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Attributes of devices and connections, one narrow row each, so that no joint fingerprint exists at rest';

CREATE TABLE tamga_vault.erasures
(
    `attempt` UInt64 COMMENT 'Random number of the attempt to erase',
    `visitor` FixedString(16) COMMENT 'The pseudonym whose rows are being erased' CODEC(NONE),
    `begun_at` DateTime('UTC') DEFAULT now() COMMENT 'When the attempt began'
)
ENGINE = MergeTree
PARTITION BY attempt
ORDER BY visitor
TTL begun_at + toIntervalDay(1)
SETTINGS merge_with_ttl_timeout = 3600, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Pseudonyms whose rows are being erased at this moment; normally empty';

CREATE TABLE tamga_vault.errors
(
    `batch` UInt64 COMMENT 'Random value of the insert that brought the row; by it an insert of unknown outcome is counted',
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `day` Date COMMENT 'Site-local day of arrival; the day of the key',
    `hour` DateTime('UTC') COMMENT 'Start of the site-local hour of arrival',
    `template` LowCardinality(String) COMMENT 'The message as a template: what could name someone is folded',
    `browser` LowCardinality(String) COMMENT 'Browser family',
    `visitor` FixedString(16) COMMENT 'Pseudonym of the browser for this day, under the key domain of errors' CODEC(NONE),
    `confirmed` Bool COMMENT 'The cookie had come back',
    `network` UInt8 COMMENT 'One byte of the hash of the /24 or /48 under the key domain of errors',
    `new_week` Bool COMMENT 'The day is the first of the browser in its ISO week'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, template, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Scripts of the site that failed, one row per failure, without the page or the visit';

CREATE TABLE tamga_vault.events
(
    `batch` UInt64 COMMENT 'Random value of the insert that brought the row; by it an insert of unknown outcome is counted',
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `day` Date COMMENT 'Site-local day of arrival; the day of the key',
    `hour` DateTime('UTC') COMMENT 'Start of the site-local hour of arrival',
    `visitor` FixedString(16) COMMENT 'Pseudonym of the browser for this day, under the key domain of visits' CODEC(ZSTD(1)),
    `visit` FixedString(16) COMMENT 'Pseudonym of the visit' CODEC(ZSTD(1)),
    `view` FixedString(16) COMMENT 'Pseudonym of the page view' CODEC(ZSTD(1)),
    `confirmed` Bool COMMENT 'The cookie had come back; only browsers with such a row count as visitors',
    `network` UInt8 COMMENT 'One byte of the day-keyed hash of the /24 or /48; 256 classes, used by the publishing rules alone',
    `new_day` Bool COMMENT 'First visit of this day',
    `new_week` Bool COMMENT 'First visit of this ISO week',
    `new_month` Bool COMMENT 'First visit of this calendar month',
    `new_ever` Bool COMMENT 'First visit as far as the cookie reaches',
    `visit_number` LowCardinality(String) COMMENT 'Number of the visit in buckets: 1, 2, 3-5, 6-20, 21+',
    `type` LowCardinality(String) COMMENT 'view, engage, exit, event, search, or device: nothing but the device\'s evidence of automation',
    `path` LowCardinality(String) COMMENT 'Path as a template; empty where the event has none',
    `previous_path` LowCardinality(String) COMMENT 'Template of the path before, on the same site; empty when there was none',
    `step` UInt8 COMMENT 'Number of the view within its visit, 1 to 30',
    `duration_s` UInt16 COMMENT 'Duration of the visit so far, lower bound of its bucket, in seconds',
    `engaged_s` UInt16 COMMENT 'Time the page was visible and focused, lower bound of its bucket, in seconds; engage only',
    `entry_channel` LowCardinality(String) COMMENT 'How the visit began; on its first view only, otherwise empty',
    `entry_source` LowCardinality(String) COMMENT 'Registrable domain of the referrer or declared campaign source; likewise',
    `entry_medium` LowCardinality(String) COMMENT 'Declared campaign medium; likewise',
    `entry_campaign` LowCardinality(String) COMMENT 'Declared campaign; likewise',
    `exit_domain` LowCardinality(String) COMMENT 'Registrable domain of a followed outbound link; exit only',
    `country` LowCardinality(String) COMMENT 'ISO 3166-1 alpha-2 of the address, looked up in memory; empty when unknown',
    `region` LowCardinality(String) COMMENT 'Region of the address; empty when unknown',
    `browser` LowCardinality(String) COMMENT 'Browser family',
    `browser_major` UInt16 COMMENT 'Major version; 0 when unknown',
    `os` LowCardinality(String) COMMENT 'Operating system family',
    `device` LowCardinality(String) COMMENT 'desktop, phone, tablet, tv, console or other',
    `name` LowCardinality(String) COMMENT 'Name of a configured event; event only',
    `variant` LowCardinality(String) COMMENT 'Variant of a configured event; event only',
    `suspect` LowCardinality(String) COMMENT 'Why the sender may be a program; empty when nothing speaks for it',
    `search_term` LowCardinality(String) COMMENT 'What the site was searched for, as a template; search only',
    `absence` LowCardinality(String) COMMENT 'Days since the day of the visit before, in buckets, or never; on the first beacon of a day only, otherwise empty',
    `cohort` LowCardinality(String) COMMENT 'Weeks since the week of the first visit, in buckets; empty where nobody knows'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, visitor, visit, view, type)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192, default_compression_codec = 'ZSTD(1)'
COMMENT 'What happened on the sites: one row per event, dropped with its day';

CREATE TABLE tamga_vault.leases
(
    `node` LowCardinality(String) COMMENT 'Name of the collector node',
    `complete_until` DateTime64(3, 'UTC') COMMENT 'Everything this node received before this moment is in the vault',
    `written_at` DateTime64(3, 'UTC') COMMENT 'When the node said so'
)
ENGINE = ReplacingMergeTree(written_at)
ORDER BY node
TTL toDateTime(written_at) + toIntervalDay(9)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'How far each node has emptied its spool; a window is published when all have passed its end';

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
    `seed` FixedString(32) COMMENT 'Random; the secret thresholds of the cells of this window are derived from it',
    `created_at` DateTime64(3, 'UTC') COMMENT 'When the seed was created'
)
ENGINE = MergeTree
ORDER BY (site, window_start, created_at)
TTL toDateTime(created_at) + toIntervalDay(9)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Seeds of windows that are not yet published; the oldest of a window counts, and it is deleted with publication';

CREATE TABLE tamga_vault.signals
(
    `batch` UInt64 COMMENT 'Random value of the insert that brought the row; by it an insert of unknown outcome is counted',
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `day` Date COMMENT 'Site-local day of arrival; the day of the key',
    `hour` DateTime('UTC') COMMENT 'Start of the site-local hour of arrival',
    `signal` LowCardinality(String) COMMENT 'canvas, webgl or automation; also its key domain',
    `state` LowCardinality(String) COMMENT 'normal or noised, the name of a detector, or why it is absent: unsupported, blocked, timeout, error',
    `digest` FixedString(16) COMMENT 'Day-keyed hash, under a key domain of this signal, of the digest that the browser sent; zeroes when it sent none' CODEC(NONE),
    `visitor` FixedString(16) COMMENT 'Pseudonym of the browser for this day and this signal alone; of automation, for this detector alone' CODEC(NONE),
    `confirmed` Bool COMMENT 'The cookie had come back',
    `network` UInt8 COMMENT 'One byte of the hash of the /24 or /48 under the key domain of the pseudonym',
    `new_week` Bool COMMENT 'The day is the first of the browser in its ISO week'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, signal, visitor)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Security signals of devices, apart from their attributes: states and day-keyed digests, one narrow row each';

CREATE TABLE tamga_vault.tallies
(
    `batch` UInt64 COMMENT 'Random value of the insert that brought the row; by it an insert of unknown outcome is counted',
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `day` Date COMMENT 'Site-local day of arrival',
    `hour` DateTime('UTC') COMMENT 'Start of the site-local hour of arrival',
    `reason` LowCardinality(String) COMMENT 'What is counted: count_only, or the class of a declared bot',
    `count` UInt32 COMMENT 'How many events'
)
ENGINE = MergeTree
PARTITION BY (site, day)
ORDER BY (site, reason, hour)
TTL day + toIntervalDay(9)
SETTINGS ttl_only_drop_parts = 1, merge_with_ttl_timeout = 3600, non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Counts that bear no pseudonym';

CREATE TABLE tamga_stats.attributes
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `attribute` LowCardinality(String) COMMENT 'Name of the attribute: provider, time_zone, languages …',
    `value` LowCardinality(String) COMMENT 'Its value, or why it is absent (unsupported, blocked, timeout, error), or (other). Of lists (languages, fonts, plugins) a visitor is under each value',
    `visitors` Nullable(UInt64) COMMENT 'Confirmed visitors; not shown where all but a few have the value'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, attribute, value)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'What devices and connections tell, each attribute by itself';

CREATE TABLE tamga_stats.automation
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `reason` LowCardinality(String) COMMENT 'bot: and the class of a declared bot; the reason of a suspicion; detector: and what a browser said of itself; or (other)',
    `count` UInt64 COMMENT 'Events; of detectors, how often',
    `visitors` Nullable(UInt64) COMMENT 'Confirmed visitors; of declared bots nobody knows'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, reason)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Programs, as far as they can be told; none of them is in another table';

CREATE TABLE tamga_stats.campaigns
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `source` LowCardinality(String) COMMENT 'Declared campaign source or registrable domain, empty when there is none, or (other)',
    `medium` LowCardinality(String) COMMENT 'Declared medium, empty when there is none, or (other)',
    `campaign` LowCardinality(String) COMMENT 'Declared campaign, empty when there is none, or (other): the campaigns that are not shown, all if it stands alone',
    `visits` UInt64 COMMENT 'Visits',
    `visitors` Nullable(UInt64) COMMENT 'Confirmed visitors, each once: where the first visit of the window came from',
    `bounces` Nullable(UInt64) COMMENT 'Visits of one view and under ten seconds of engaged time',
    `goals` Map(LowCardinality(String), Nullable(UInt64)) COMMENT 'Visits that reached each declared goal, by its name; NULL is not shown, a name that is not there was not declared'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, source, medium, campaign)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'What campaigns bring';

CREATE TABLE tamga_stats.clients
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `browser` LowCardinality(String) COMMENT 'Browser family, or (other)',
    `major` LowCardinality(String) COMMENT 'Major version, empty when unknown, or (other): the versions that are not shown, all if it stands alone',
    `visitors` UInt64 COMMENT 'Confirmed visitors, each once',
    `visits` Nullable(UInt64) COMMENT 'Visits'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, browser, major)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'What visitors browse with';

CREATE TABLE tamga_stats.devices
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `device` LowCardinality(String) COMMENT 'desktop, phone, tablet, tv, console or other, or (other)',
    `os` LowCardinality(String) COMMENT 'Operating system family, or (other): the systems that are not shown, all if it stands alone',
    `visitors` UInt64 COMMENT 'Confirmed visitors, each once',
    `visits` Nullable(UInt64) COMMENT 'Visits'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, device, os)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'What visitors hold in their hands';

CREATE TABLE tamga_stats.entries
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `channel` LowCardinality(String) COMMENT 'How visits began: direct, search, social …, or (other)',
    `source` LowCardinality(String) COMMENT 'Registrable domain or declared source, empty when there is none, or (other): the sources that are not shown, all if it stands alone',
    `visits` UInt64 COMMENT 'Visits',
    `visitors` Nullable(UInt64) COMMENT 'Confirmed visitors, each once: where the first visit of the window came from',
    `bounces` Nullable(UInt64) COMMENT 'Visits of one view and under ten seconds of engaged time',
    `goals` Map(LowCardinality(String), Nullable(UInt64)) COMMENT 'Visits that reached each declared goal, by its name; NULL is not shown, a name that is not there was not declared'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, channel, source)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Where visits come from';

CREATE TABLE tamga_stats.errors
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `template` LowCardinality(String) COMMENT 'Message as a template, or (other)',
    `browser` LowCardinality(String) COMMENT 'Browser family, or (other): the families that are not shown, all if it stands alone',
    `count` UInt64 COMMENT 'How often',
    `visitors` Nullable(UInt64) COMMENT 'Confirmed visitors; not shown for rows folded together, who may share them',
    `networks` Nullable(UInt64) COMMENT 'Networks that it came from, of 256 classes; not shown for rows folded together'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, template, browser)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'What fails in browsers';

CREATE TABLE tamga_stats.events
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `name` LowCardinality(String) COMMENT 'Declared name, or (other)',
    `count` UInt64 COMMENT 'How often',
    `visitors` Nullable(UInt64) COMMENT 'Confirmed visitors; not shown for rows folded together, who may share them'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, name)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'What the site was told to count';

CREATE TABLE tamga_stats.exits
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `domain` LowCardinality(String) COMMENT 'Registrable domain of followed outbound links, or (other)',
    `clicks` UInt64 COMMENT 'Followed links',
    `visitors` Nullable(UInt64) COMMENT 'Confirmed visitors; not shown for rows folded together, who may share them'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, domain)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Where people leave to';

CREATE TABLE tamga_stats.experiments
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `experiment` LowCardinality(String) COMMENT 'Name of the event that tells the variant',
    `goal` LowCardinality(String) COMMENT 'Declared goal',
    `variant` LowCardinality(String) COMMENT 'Variant, empty for visits outside of the experiment, or (other)',
    `visits` UInt64 COMMENT 'Visits',
    `converted` Nullable(UInt64) COMMENT 'Visits that reached the goal'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, experiment, goal, variant)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'What variants make visits achieve';

CREATE TABLE tamga_stats.funnels
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `funnel` LowCardinality(String) COMMENT 'Declared name',
    `step` UInt8 COMMENT 'Number of the step, from 1',
    `name` LowCardinality(String) COMMENT 'What the step is: a path or the name of an event',
    `visits` UInt64 COMMENT 'Visits that took this step after those before it. A step is left out when a few visits lie between it and its neighbours'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, funnel, step)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'How far visits get on declared ways';

CREATE TABLE tamga_stats.hours
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `hour` LowCardinality(String) COMMENT 'Site-local hour of day, 00 to 23, or (other)',
    `views` UInt64 COMMENT 'Page views',
    `visits` Nullable(UInt64) COMMENT 'Visits that began in this hour'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, hour)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'When people come';

CREATE TABLE tamga_stats.landings
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `channel` LowCardinality(String) COMMENT 'How visits began, or (other)',
    `source` LowCardinality(String) COMMENT 'Registrable domain or declared source, empty when there is none, or (other)',
    `path` LowCardinality(String) COMMENT 'Path that was opened first, as a template, or (other)',
    `visits` UInt64 COMMENT 'Visits',
    `visitors` Nullable(UInt64) COMMENT 'Confirmed visitors, each once: where the first visit of the window came from',
    `bounces` Nullable(UInt64) COMMENT 'Visits of one view and under ten seconds of engaged time',
    `goals` Map(LowCardinality(String), Nullable(UInt64)) COMMENT 'Visits that reached each declared goal, by its name; NULL is not shown, a name that is not there was not declared'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, channel, source, path)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Which pages visits begin on, by where they come from';

CREATE TABLE tamga_stats.pages
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `path` LowCardinality(String) COMMENT 'Path as a template, or (other)',
    `views` UInt64 COMMENT 'Page views',
    `visitors` Nullable(UInt64) COMMENT 'Confirmed visitors who opened the page; not shown for pages folded together, who may share them',
    `entries` Nullable(UInt64) COMMENT 'Visits that began here',
    `last_pages` Nullable(UInt64) COMMENT 'Visits that began in the window and whose last view of it was here'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, path)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'What people open';

CREATE TABLE tamga_stats.pairs
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `first_dimension` LowCardinality(String) COMMENT 'Name of the first',
    `second_dimension` LowCardinality(String) COMMENT 'Name of the second',
    `first` LowCardinality(String) COMMENT 'Value of the first, or (other)',
    `second` LowCardinality(String) COMMENT 'Value of the second, or (other): the values that are not shown, all if it stands alone',
    `visits` UInt64 COMMENT 'Visits',
    `visitors` Nullable(UInt64) COMMENT 'Confirmed visitors; not shown for rows folded together, who may share them'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, first_dimension, second_dimension, first, second)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Two dimensions at once, where the operator declared them';

CREATE TABLE tamga_stats.places
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `country` LowCardinality(String) COMMENT 'ISO 3166-1 alpha-2, empty when unknown, or (other)',
    `region` LowCardinality(String) COMMENT 'Region, empty when unknown, or (other): the regions that are not shown, all if it stands alone',
    `visitors` UInt64 COMMENT 'Confirmed visitors, each once: where they were first',
    `visits` Nullable(UInt64) COMMENT 'Visits'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, country, region)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Where visitors are';

CREATE TABLE tamga_stats.publications
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `published_at` DateTime('UTC') COMMENT 'When the window was published',
    `complete` Bool COMMENT 'All nodes had emptied their spools past the end of the window, and the vault still had its rows',
    `events` UInt64 COMMENT 'Events in the window, a multiple of 5; 0 when the site had too few visitors for any table',
    `folded_share` Float32 COMMENT 'Share of page views in (other) of `pages`, from the published numbers, to two digits; 1 when none is shown',
    `late` UInt64 COMMENT 'Events of earlier windows that came after those were published and appear nowhere, a multiple of 5; 0 below 50'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Ledger: which windows are published, when and how completely. A window without a row here is not published';

CREATE TABLE tamga_stats.quality
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `outcome` LowCardinality(String) COMMENT 'accepted, or why an event was dropped or refused',
    `count` UInt64 COMMENT 'Events, from 50'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, outcome)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'What became of events at the door';

CREATE TABLE tamga_stats.recency
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `absence` LowCardinality(String) COMMENT 'Days since the day of the visit before in buckets, never, or (other)',
    `visitors` UInt64 COMMENT 'Confirmed visitors whose first beacon of the day came in this window'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, absence)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'When visitors were here before';

CREATE TABLE tamga_stats.retention
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `cohort` LowCardinality(String) COMMENT 'Weeks since the week of the first visit in buckets, or (other)',
    `visitors` UInt64 COMMENT 'Confirmed visitors'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, cohort)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'Since when visitors come';

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
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `term` LowCardinality(String) COMMENT 'What was searched for, as a template, or (other)',
    `count` UInt64 COMMENT 'How often',
    `visitors` Nullable(UInt64) COMMENT 'Confirmed visitors; not shown for rows folded together, who may share them'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, term)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'What is looked for on the site';

CREATE TABLE tamga_stats.site
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `views` Nullable(UInt64) COMMENT 'Page views',
    `visits` Nullable(UInt64) COMMENT 'Visits',
    `visitors` UInt64 COMMENT 'Confirmed visitors',
    `new_day` Nullable(UInt64) COMMENT 'Visitors counted for the day here: in the first window of the day in which they are confirmed; their sum is the daily uniques',
    `new_week` Nullable(UInt64) COMMENT 'Visitors whose first visit of the ISO week it was; likewise',
    `new_month` Nullable(UInt64) COMMENT 'Visitors whose first visit of the month it was; likewise',
    `new_ever` Nullable(UInt64) COMMENT 'Visitors whose first visit ever it was, as far as cookies reach',
    `count_only_views` Nullable(UInt64) COMMENT 'Views of browsers that asked not to be measured: counted and nothing else; from 50'
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
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `from_path` LowCardinality(String) COMMENT 'Path as a template, or (other)',
    `to_path` LowCardinality(String) COMMENT 'Path that was opened from it, or (other): the paths that are not shown, all if it stands alone',
    `visits` UInt64 COMMENT 'Visits in which the one was opened from the other'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, from_path, to_path)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'How people get from page to page';

CREATE TABLE tamga_stats.visits
(
    `site` LowCardinality(String) COMMENT 'The site, by its configured domain',
    `window_start` DateTime('UTC') COMMENT 'Start of the window, by arrival',
    `window_end` DateTime('UTC') COMMENT 'End of the window',
    `pages` LowCardinality(String) COMMENT 'Page views of the visit in buckets, or (other)',
    `duration` LowCardinality(String) COMMENT 'Time from the first beacon of the visit to the last, lower bound of its bucket in seconds, or (other): the durations that are not shown, all if it stands alone',
    `visits` UInt64 COMMENT 'Visits that began in the window'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, pages, duration)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1, index_granularity = 8192
COMMENT 'How long visits are';
