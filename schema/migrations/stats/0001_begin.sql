-- The stats store: rollups that are fit to publish. Written once per site and window, never revised.
--
-- Every row has passed the publishing rules: enough confirmed visitors, folded where there were not, rounded to 5. So
-- any query here harms nobody.
-- NULL is a number that is not shown: few visitors stand behind it, or behind what is left when it is subtracted. It is not
-- 0, and `sum` passes over it. A visit belongs to the window, hour, page and source in which its first view came.
-- In windows of 7 days, visitors are those whose first day of the week it was: nobody counts twice, and a page that
-- somebody opened on a later day only does not count them. One publisher writes each window once; the deduplication
-- window is for inserts of unknown outcome.
-- The primary key is the site alone: what is in it can be read past row policies (`mergeTreeIndex`), and on a server there are
-- analysts who may see one site only.
-- What it does to running code: creates tables that nothing uses yet.

CREATE TABLE IF NOT EXISTS site
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    views Nullable(UInt64) COMMENT 'Page views',
    visits Nullable(UInt64) COMMENT 'Visits',
    visitors UInt64 COMMENT 'Confirmed visitors',
    new_day Nullable(UInt64) COMMENT 'Visitors counted for the day here: in the first window of the day in which they are confirmed; their sum is the daily uniques',
    new_week Nullable(UInt64) COMMENT 'Visitors whose first visit of the ISO week it was; likewise',
    new_month Nullable(UInt64) COMMENT 'Visitors whose first visit of the month it was; likewise',
    new_ever Nullable(UInt64) COMMENT 'Visitors whose first visit ever it was, as far as cookies reach',
    count_only_views Nullable(UInt64) COMMENT 'Views of browsers that asked not to be measured: counted and nothing else; from 50'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Totals of a site';

CREATE TABLE IF NOT EXISTS hours
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    hour LowCardinality(String) COMMENT 'Site-local hour of day, 00 to 23, or (other)',
    views UInt64 COMMENT 'Page views',
    visits Nullable(UInt64) COMMENT 'Visits that began in this hour'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, hour)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'When people come';

CREATE TABLE IF NOT EXISTS pages
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    path LowCardinality(String) COMMENT 'Path as a template, or (other)',
    views UInt64 COMMENT 'Page views',
    visitors Nullable(UInt64) COMMENT 'Confirmed visitors who opened the page; not shown for pages folded together, who may share them',
    entries Nullable(UInt64) COMMENT 'Visits that began here',
    last_pages Nullable(UInt64) COMMENT 'Visits that began in the window and whose last view of it was here'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, path)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What people open';

CREATE TABLE IF NOT EXISTS entries
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    channel LowCardinality(String) COMMENT 'How visits began: direct, search, social …, or (other)',
    source LowCardinality(String) COMMENT 'Registrable domain or declared source, empty when there is none, or (other): the sources that are not shown, all if it stands alone',
    visits UInt64 COMMENT 'Visits',
    visitors Nullable(UInt64) COMMENT 'Confirmed visitors, each once: where the first visit of the window came from',
    bounces Nullable(UInt64) COMMENT 'Visits of one view and under ten seconds of engaged time'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, channel, source)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Where visits come from';

CREATE TABLE IF NOT EXISTS places
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    country LowCardinality(String) COMMENT 'ISO 3166-1 alpha-2, empty when unknown, or (other)',
    region LowCardinality(String) COMMENT 'Region, empty when unknown, or (other): the regions that are not shown, all if it stands alone',
    visitors UInt64 COMMENT 'Confirmed visitors, each once: where they were first',
    visits Nullable(UInt64) COMMENT 'Visits'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, country, region)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Where visitors are';

CREATE TABLE IF NOT EXISTS clients
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    browser LowCardinality(String) COMMENT 'Browser family, or (other)',
    major LowCardinality(String) COMMENT 'Major version, empty when unknown, or (other): the versions that are not shown, all if it stands alone',
    visitors UInt64 COMMENT 'Confirmed visitors, each once',
    visits Nullable(UInt64) COMMENT 'Visits'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, browser, major)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What visitors browse with';

CREATE TABLE IF NOT EXISTS publications
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    published_at DateTime('UTC') COMMENT 'When the window was published',
    complete Bool COMMENT 'All nodes had emptied their spools past the end of the window, and the vault still had its rows',
    events UInt64 COMMENT 'Events in the window, a multiple of 5; 0 when the site had too few visitors for any table',
    folded_share Float32 COMMENT 'Share of page views in (other) of `pages`, from the published numbers, to two digits; 1 when none is shown',
    late UInt64 COMMENT 'Events of earlier windows that came after those were published and appear nowhere, a multiple of 5; 0 below 50'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Ledger: which windows are published, when and how completely. A window without a row here is not published';
