-- The stats store: rollups that are fit to publish. Written once per site and window, never revised.
--
-- Every row has passed the publishing rules: enough confirmed visitors, folded where there were not, rounded to 5. So
-- any query here harms nobody.
-- What it does to running code: creates tables that nothing uses yet.

CREATE TABLE IF NOT EXISTS site
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    views UInt64 COMMENT 'Page views',
    visits UInt64 COMMENT 'Visits',
    visitors UInt64 COMMENT 'Confirmed visitors',
    new_day UInt64 COMMENT 'Visitors whose first visit of the day it was; their sum over windows is the daily uniques',
    new_week UInt64 COMMENT 'Visitors whose first visit of the ISO week it was; likewise',
    new_month UInt64 COMMENT 'Visitors whose first visit of the month it was; likewise',
    new_ever UInt64 COMMENT 'Visitors whose first visit ever it was, as far as cookies reach',
    count_only_views UInt64 COMMENT 'Views of browsers that asked not to be measured: counted and nothing else'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
ORDER BY (site, window_start)
TTL window_end + toIntervalMonth(25)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Totals of a site';

CREATE TABLE IF NOT EXISTS hours
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    hour LowCardinality(String) COMMENT 'Site-local hour of day, 00 to 23, or (other)',
    views UInt64 COMMENT 'Page views',
    visits UInt64 COMMENT 'Visits that began in this hour'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
ORDER BY (site, window_start, hour)
TTL window_end + toIntervalMonth(25)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'When people come';

CREATE TABLE IF NOT EXISTS pages
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    path LowCardinality(String) COMMENT 'Path as a template, or (other)',
    views UInt64 COMMENT 'Page views',
    visitors UInt64 COMMENT 'Confirmed visitors who opened the page',
    entries UInt64 COMMENT 'Visits that began here',
    last_pages UInt64 COMMENT 'Visits whose last view it was'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
ORDER BY (site, window_start, path)
TTL window_end + toIntervalMonth(25)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What people open';

CREATE TABLE IF NOT EXISTS entries
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    channel LowCardinality(String) COMMENT 'How visits began: direct, search, social …, or (other)',
    source LowCardinality(String) COMMENT 'Registrable domain or declared source, (other), or empty for the channel as a whole when it is not split',
    visits UInt64 COMMENT 'Visits',
    visitors UInt64 COMMENT 'Confirmed visitors',
    bounces UInt64 COMMENT 'Visits of one view and under ten seconds of engaged time'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
ORDER BY (site, window_start, channel, source)
TTL window_end + toIntervalMonth(25)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Where visits come from';

CREATE TABLE IF NOT EXISTS places
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    country LowCardinality(String) COMMENT 'ISO 3166-1 alpha-2, empty when unknown, or (other)',
    region LowCardinality(String) COMMENT 'Region, empty when unknown, or (other)',
    visitors UInt64 COMMENT 'Confirmed visitors',
    visits UInt64 COMMENT 'Visits'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
ORDER BY (site, window_start, country, region)
TTL window_end + toIntervalMonth(25)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Where visitors are';

CREATE TABLE IF NOT EXISTS clients
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    browser LowCardinality(String) COMMENT 'Browser family, or (other)',
    major LowCardinality(String) COMMENT 'Major version, empty when unknown, or (other)',
    visitors UInt64 COMMENT 'Confirmed visitors',
    visits UInt64 COMMENT 'Visits'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
ORDER BY (site, window_start, browser, major)
TTL window_end + toIntervalMonth(25)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What visitors browse with';

CREATE TABLE IF NOT EXISTS publications
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    published_at DateTime('UTC') COMMENT 'When the window was published',
    complete Bool COMMENT 'All nodes had emptied their spools past the end of the window',
    events UInt64 COMMENT 'Events in the window, a multiple of 5',
    folded_share Float32 COMMENT 'Share of page views in (other) of `pages`, to two digits',
    late UInt64 COMMENT 'Events of earlier windows that came after those were published and appear nowhere, a multiple of 5'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
ORDER BY (site, window_start)
TTL window_end + toIntervalMonth(25)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Ledger: which windows are published, when and how completely. A window without a row here is not published';
