-- The stats store: published numbers. Each window of a site is written once and never revised.
--
-- Every row has passed the publishing rules: it has a name that at least ten confirmed visitors share, or is (other), and each of its
-- numbers has noise. So no query here reveals a person. Noise may make a number negative: sums of many are right, since it is 0 on
-- average. Its standard deviation is in `publications`. A visitor-day adds 3 to a number at most, and counts with 3 visits.
-- NULL is a number that is not published: visitors of (other), since a visitor may be in several of its cells. (other) is the rest of
-- the total. A visit belongs to the window, hour, page and source of its first view.
-- In windows of 7 days a visitor counts only on the first day of the week, so nobody counts twice. A page that a visitor opened
-- only on a later day does not count that visitor. One publisher writes each window once; the deduplication window is for
-- inserts with an unknown outcome.
-- The primary key is the site alone: everybody can read the primary key in spite of row policies (`mergeTreeIndex`), and on a
-- server some analysts may read one site only.
-- Effect on running programs: none. No program uses these tables yet.

CREATE TABLE IF NOT EXISTS site
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    views Nullable(Int64) COMMENT 'Page views. With noise twice as wide as sigma',
    visits Nullable(Int64) COMMENT 'Visits. With noise twice as wide as sigma',
    visitors Int64 COMMENT 'Confirmed visitors. With noise twice as wide as sigma',
    bounces Nullable(Int64) COMMENT 'Bounces: visits of one view with less than ten seconds of engaged time. With noise three times as wide as sigma',
    duration_s Nullable(Int64) COMMENT 'Seconds of all visits together, each from its first beacon to its last, as the middle of a bucket; 600 of a visitor at most. With noise 1800 times as wide as sigma',
    engaged_s Nullable(Int64) COMMENT 'Engaged seconds of all visits together, as the middle of a bucket for each view; 300 of a visitor at most. With noise 900 times as wide as sigma',
    goals Map(LowCardinality(String), Int64) COMMENT 'Visits that reached each declared goal, by its name. A missing name was not declared. With noise three times as wide as sigma, more with several goals: three times the root of their number',
    new_day Nullable(Int64) COMMENT 'Visitors who are confirmed for the first time of the day in this window. Add up the windows of a day for its visitors. With the noise of `visitors` if the window begins the day, else four times as wide as sigma',
    new_week Nullable(Int64) COMMENT 'The same for the ISO week: add up the windows of a week for its visitors. With noise four times as wide as sigma',
    new_month Nullable(Int64) COMMENT 'The same for the month: add up the windows of a month for its visitors. With noise four times as wide as sigma',
    new_ever Nullable(Int64) COMMENT 'Visitors with their first visit ever, as far as cookies remember. With noise four times as wide as sigma',
    count_only_views Nullable(Int64) COMMENT 'Views of browsers that asked not to be measured (count only); with noise three times as wide as sigma. NULL below some 50 to 110 at the usual level'
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
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    hour LowCardinality(String) COMMENT 'Hour of the day, by the site''s time zone, 00 to 23, or (other)',
    views Int64 COMMENT 'Page views, with noise three times as wide as sigma',
    visits Int64 COMMENT 'Visits that began in this hour'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, hour)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Views and visits by hour of the day. Rows of a running window appear as its hours end';

CREATE TABLE IF NOT EXISTS pages
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    carried_to Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    section LowCardinality(String) COMMENT 'First segment of the path, where something is beneath it; else /; or (other)',
    path LowCardinality(String) COMMENT 'Path as a template. (other) is the rest of its section, whose numbers have noise four times as wide',
    views Int64 COMMENT 'Page views. With noise twice as wide as sigma',
    visitors Nullable(Int64) COMMENT 'Confirmed visitors of the page, with noise twice as wide as sigma; NULL for (other), whose pages may share visitors',
    entries Int64 COMMENT 'Visits that began on this page. With noise twice as wide as sigma',
    last_pages Int64 COMMENT 'Visits that began in the window and whose last view in it was this page. With noise twice as wide as sigma',
    engaged_s Nullable(Int64) COMMENT 'Engaged seconds on the page, as the middle of a bucket for each view; 120 of a visitor at most. With noise 360 times as wide as sigma. NULL for (other)'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, section, path)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Views by page';

CREATE TABLE IF NOT EXISTS entries
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    carried_to Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    channel LowCardinality(String) COMMENT 'How visits began: direct, search, social …, or (other)',
    source LowCardinality(String) COMMENT 'Registrable domain or declared source; empty if there is none. (other) is the rest of its channel',
    visits Int64 COMMENT 'Visits',
    visitors Int64 COMMENT 'Confirmed visitors, each once, by how their first visit of the window began. With noise seven times as wide as sigma',
    bounces Int64 COMMENT 'Bounces: visits of one view with less than ten seconds of engaged time. With noise three times as wide as sigma'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, channel, source)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Visits by channel and source';

CREATE TABLE IF NOT EXISTS places
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    carried_to Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    country LowCardinality(String) COMMENT 'Country, ISO 3166-1 alpha-2; empty if unknown; or (other)',
    region LowCardinality(String) COMMENT 'Region; empty if unknown. (other) is the rest of its country',
    visitors Int64 COMMENT 'Confirmed visitors, each once, by their first place in the window',
    visits Int64 COMMENT 'Visits. With noise twice as wide as sigma'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, country, region)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Visitors by country and region';

CREATE TABLE IF NOT EXISTS clients
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    carried_to Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    browser LowCardinality(String) COMMENT 'Browser family, or (other)',
    major LowCardinality(String) COMMENT 'Major version; empty if unknown. (other) is the rest of its browser',
    visitors Int64 COMMENT 'Confirmed visitors, each once',
    visits Int64 COMMENT 'Visits. With noise twice as wide as sigma'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, browser, major)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Visitors by browser';

CREATE TABLE IF NOT EXISTS publications
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    published_at DateTime('UTC') COMMENT 'When the window was published',
    complete Bool COMMENT 'true if all nodes had emptied their spools past the end of the window, and the vault still had its rows',
    events Int64 COMMENT 'Events in the window, 100 of a visitor at most, with noise ten times as wide as sigma; 0 if the site had too few visitors for any table',
    folded_share Float32 COMMENT 'Share of page views in (other) of `pages`, computed from the published numbers, to two digits; 1 if no page is published',
    late Int64 COMMENT 'Late events: they belong to earlier windows, arrived after those were published, and are in no table. With noise three times as wide as sigma; 0 where they are few',
    sigma UInt32 COMMENT 'Standard deviation of the noise of every number of the window, except where docs/publishing.md names a wider one',
    cut_share Map(LowCardinality(String), Float32) COMMENT 'Share of what was counted that the bounds cut off: of views, of visits, and of the cells of some tables; from numbers with noise, to two digits',
    first_declared Array(String) COMMENT 'Goals, funnels, experiments and pairs that no window before had'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Ledger: which window was published when, and how completely. A window without a row here is not published';
