-- More published tables: movement, landing pages, devices, goals.
--
-- Design: as in the first migration, one row per site, window and value, written once. Each table of visits counts all of them;
-- visits without a value have the empty name. Declared items (goals, funnels, experiments, pairs) are data and not columns: a new
-- goal needs no migration. Account protection will have its own table.
-- Effect on running programs: none. No program uses these tables yet, and the new column has a default.

ALTER TABLE entries
    ADD COLUMN IF NOT EXISTS goals Map(LowCardinality(String), Int64) COMMENT 'Visits that reached each declared goal, by its name. A missing name was not declared. With noise three times as wide as sigma, more with several goals: three times the root of their number';

CREATE TABLE IF NOT EXISTS transitions
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    carried_to Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    from_path LowCardinality(String) COMMENT 'Path as a template, or (other)',
    to_path LowCardinality(String) COMMENT 'Path that was opened next; (other) beside (other) only',
    visits Int64 COMMENT 'Visits in which to_path was opened from from_path. With noise twice as wide as sigma'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, from_path, to_path)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Movement from page to page';

CREATE TABLE IF NOT EXISTS landings
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    carried_to Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    channel LowCardinality(String) COMMENT 'How visits began, or (other)',
    source LowCardinality(String) COMMENT 'Registrable domain or declared source; empty if there is none; or (other)',
    path LowCardinality(String) COMMENT 'First path of the visit as a template, or (other)',
    visits Int64 COMMENT 'Visits',
    visitors Int64 COMMENT 'Confirmed visitors, each once, by how their first visit of the window began. With noise seven times as wide as sigma',
    bounces Int64 COMMENT 'Bounces: visits of one view with less than ten seconds of engaged time. With noise three times as wide as sigma',
    goals Map(LowCardinality(String), Int64) COMMENT 'Visits that reached each declared goal, by its name. A missing name was not declared. With noise three times as wide as sigma, more with several goals: three times the root of their number'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, channel, source, path)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Visits by channel, source and first page';

CREATE TABLE IF NOT EXISTS campaigns
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    carried_to Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    source LowCardinality(String) COMMENT 'Declared campaign source or registrable domain; empty if there is none; or (other)',
    medium LowCardinality(String) COMMENT 'Declared medium; empty if there is none; or (other)',
    campaign LowCardinality(String) COMMENT 'Declared campaign; empty if there is none. (other) is the rest of its source and medium',
    visits Int64 COMMENT 'Visits',
    visitors Int64 COMMENT 'Confirmed visitors, each once, by how their first visit of the window began. With noise seven times as wide as sigma',
    bounces Int64 COMMENT 'Bounces: visits of one view with less than ten seconds of engaged time. With noise three times as wide as sigma',
    goals Map(LowCardinality(String), Int64) COMMENT 'Visits that reached each declared goal, by its name. A missing name was not declared. With noise three times as wide as sigma, more with several goals: three times the root of their number'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, source, medium, campaign)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Visits by campaign';

CREATE TABLE IF NOT EXISTS exits
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    carried_to Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    domain LowCardinality(String) COMMENT 'Registrable domain of the outbound links, or (other)',
    clicks Int64 COMMENT 'Followed outbound links. With noise twice as wide as sigma',
    visitors Nullable(Int64) COMMENT 'Confirmed visitors; NULL for (other), whose values may share visitors'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, domain)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Followed outbound links by domain';

CREATE TABLE IF NOT EXISTS devices
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    carried_to Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    device LowCardinality(String) COMMENT 'desktop, phone, tablet, tv, console or other, or (other)',
    os LowCardinality(String) COMMENT 'Operating system family. (other) is the rest of its device',
    visitors Int64 COMMENT 'Confirmed visitors, each once',
    visits Int64 COMMENT 'Visits. With noise twice as wide as sigma'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, device, os)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Visitors by device and operating system';

CREATE TABLE IF NOT EXISTS attributes
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    attribute LowCardinality(String) COMMENT 'Name of the attribute: provider, time_zone, languages, screen_size, screen_depth, screen_ratio, screen_window …',
    value LowCardinality(String) COMMENT 'Value of the attribute, or why it is absent (unsupported, blocked, timeout, error), or (other). A visitor has several values of a list (languages, fonts, plugins)',
    visitors Int64 COMMENT 'Confirmed visitors, with noise twice as wide as sigma',
    devices Nullable(Int64) COMMENT 'Of how many visitors the attribute is known: all rows of it together. Of a list and of the screen: how many devices answered. NULL if nothing says'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, attribute, value)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Attributes of devices and connections, each by itself';

CREATE TABLE IF NOT EXISTS visits
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    pages LowCardinality(String) COMMENT 'Page views of the visit in buckets, or (other)',
    duration LowCardinality(String) COMMENT 'Time from the first beacon of the visit to the last, in seconds, as the lower bound of a bucket. (other) is the rest of its pages',
    visits Int64 COMMENT 'Visits that began in the window'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, pages, duration)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Visits by number of pages and duration';

CREATE TABLE IF NOT EXISTS recency
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    absence LowCardinality(String) COMMENT 'Days since the day of the previous visit, in buckets; never; or (other)',
    visitors Int64 COMMENT 'Confirmed visitors whose first beacon of the day arrived in this window'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, absence)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Visitors by time since their previous visit';

CREATE TABLE IF NOT EXISTS retention
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    cohort LowCardinality(String) COMMENT 'Weeks since the week of the first visit, in buckets, or (other)',
    visitors Int64 COMMENT 'Confirmed visitors, each once an ISO week: on its first day of the week'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, cohort)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Visitors by age of their first visit';

CREATE TABLE IF NOT EXISTS events
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    carried_to Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    name LowCardinality(String) COMMENT 'Declared name of the event, or (other)',
    count Int64 COMMENT 'Number of events. With noise twice as wide as sigma',
    visitors Nullable(Int64) COMMENT 'Confirmed visitors; NULL for (other), whose values may share visitors'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, name)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Declared events';

CREATE TABLE IF NOT EXISTS funnels
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    funnel LowCardinality(String) COMMENT 'Declared name of the funnel',
    step UInt8 COMMENT 'Number of the step, from 1',
    name LowCardinality(String) COMMENT 'The step: a path or the name of an event',
    visits Int64 COMMENT 'Visits that took this step and all steps before it. Every step is published. With noise twice as wide as sigma, from the fifth step on four times'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, funnel, step)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Declared funnels: visits by step';

CREATE TABLE IF NOT EXISTS experiments
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    experiment LowCardinality(String) COMMENT 'Name of the event that has the variant',
    goal LowCardinality(String) COMMENT 'Declared name of the goal',
    variant LowCardinality(String) COMMENT 'Variant; empty for visits outside of the experiment; or (other)',
    visits Int64 COMMENT 'Visits. With noise twice as wide as sigma',
    converted Int64 COMMENT 'Visits that reached the goal. With noise as wide as sigma; twice with two to four goals, three times with more'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, experiment, goal, variant)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'A/B tests: visits and goals by variant';

CREATE TABLE IF NOT EXISTS searches
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    carried_to Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    term LowCardinality(String) COMMENT 'Search term as a template, or (other)',
    count Int64 COMMENT 'Number of events. With noise twice as wide as sigma',
    visitors Nullable(Int64) COMMENT 'Confirmed visitors; NULL for (other), whose values may share visitors'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, term)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Searches on the site';

CREATE TABLE IF NOT EXISTS errors
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    carried_to Date DEFAULT day COMMENT 'The same day; or the last day of the ISO week or month whose small names the row carries. Then the row is the sum of the days since `day` on which its name was too small, with their noise, and rows of (other) take as much away',
    template LowCardinality(String) COMMENT 'Message as a template, or (other)',
    browser LowCardinality(String) COMMENT 'Browser family. (other) is the rest of its template, also in the next two columns',
    major LowCardinality(String) COMMENT 'Major version of the browser; empty if unknown',
    os LowCardinality(String) COMMENT 'System with its version; empty if the policy does not list it',
    count Int64 COMMENT 'Number of events. With noise twice as wide as sigma',
    visitors Nullable(Int64) COMMENT 'Confirmed visitors, with noise twice as wide as sigma; NULL for (other), whose values may share visitors',
    networks Nullable(Int64) COMMENT 'Network classes with this error, of 256, with noise twice as wide as sigma; NULL for (other)'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, carried_to, template, browser, major, os)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Errors of scripts in browsers';

CREATE TABLE IF NOT EXISTS automation
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    reason LowCardinality(String) COMMENT '`bot:` and the class of a declared bot; the sign of automation of a suspect; `detector:` and what a browser reported about itself; or (other)',
    count Int64 COMMENT 'Events, 100 of a visitor at most; for detectors, the number of reports. With noise ten times as wide as sigma, of declared bots three times',
    visitors Nullable(Int64) COMMENT 'Confirmed visitors, with noise twice as wide as sigma; NULL for declared bots, which are not distinguished, and for (other)'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, reason)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Declared bots and suspects. They are in no other table; detectors alone make no suspect';

CREATE TABLE IF NOT EXISTS quality
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    outcome LowCardinality(String) COMMENT 'Outcome of an event: accepted, or why it was dropped or rejected',
    count Int64 COMMENT 'Number of events, with noise three times as wide as sigma. An outcome with fewer than 50 has no row'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, outcome)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Data quality: events by outcome at the edge';

CREATE TABLE IF NOT EXISTS protection
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    level LowCardinality(String) COMMENT 'Level of verdicts: low, elevated, high or critical; empty in the row of a reason',
    reason LowCardinality(String) COMMENT 'Coarse reason of verdicts; empty in the row of a level. A verdict has one level and up to eight reasons',
    count Int64 COMMENT 'Number of verdicts, with noise three times as wide as sigma. One sender adds three a day at most. What has fewer than 50 has no row'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, level, reason)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Account protection: verdicts by level, and by reason';

CREATE TABLE IF NOT EXISTS pairs
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival time',
    window_end DateTime('UTC') COMMENT 'End of the window',
    day Date COMMENT 'First day of the window, by the site''s time zone',
    first_dimension LowCardinality(String) COMMENT 'Name of the first dimension',
    second_dimension LowCardinality(String) COMMENT 'Name of the second dimension',
    first LowCardinality(String) COMMENT 'Value of the first dimension, or (other)',
    second LowCardinality(String) COMMENT 'Value of the second dimension. (other) is the rest of its first value',
    visits Int64 COMMENT 'Visits',
    visitors Nullable(Int64) COMMENT 'Confirmed visitors, with noise twice as wide as sigma; NULL for (other), whose values may share visitors'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, first_dimension, second_dimension, first, second)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Declared pairs: visits by two dimensions';
