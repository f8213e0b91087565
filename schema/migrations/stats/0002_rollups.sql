-- The rest of what is published: how people move, where they land, what they use, what they achieve.
--
-- Why it is shaped so: as in the first migration: rows of a site and window, written once, NULL where a number is not shown.
-- Each table that counts visits counts all of them, what has no value under the empty name, so that a reader who compares
-- two tables finds what is folded, and that is many. What operators declare (goals, funnels, experiments, pairs) is data,
-- not columns: a new goal needs no migration. Account protection will bring its own table.
-- What it does to running code: creates tables that nothing uses yet, and a column that has a default.

ALTER TABLE entries
    ADD COLUMN IF NOT EXISTS goals Map(LowCardinality(String), Nullable(UInt64)) COMMENT 'Visits that reached each declared goal, by its name; NULL is not shown, a name that is not there was not declared';

CREATE TABLE IF NOT EXISTS transitions
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    from_path LowCardinality(String) COMMENT 'Path as a template, or (other)',
    to_path LowCardinality(String) COMMENT 'Path that was opened from it, or (other): the paths that are not shown, all if it stands alone',
    visits UInt64 COMMENT 'Visits in which the one was opened from the other'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, from_path, to_path)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'How people get from page to page';

CREATE TABLE IF NOT EXISTS landings
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    channel LowCardinality(String) COMMENT 'How visits began, or (other)',
    source LowCardinality(String) COMMENT 'Registrable domain or declared source, empty when there is none, or (other)',
    path LowCardinality(String) COMMENT 'Path that was opened first, as a template, or (other)',
    visits UInt64 COMMENT 'Visits',
    visitors Nullable(UInt64) COMMENT 'Confirmed visitors, each once: where the first visit of the window came from',
    bounces Nullable(UInt64) COMMENT 'Visits of one view and under ten seconds of engaged time',
    goals Map(LowCardinality(String), Nullable(UInt64)) COMMENT 'Visits that reached each declared goal, by its name; NULL is not shown, a name that is not there was not declared'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, channel, source, path)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Which pages visits begin on, by where they come from';

CREATE TABLE IF NOT EXISTS campaigns
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    source LowCardinality(String) COMMENT 'Declared campaign source or registrable domain, empty when there is none, or (other)',
    medium LowCardinality(String) COMMENT 'Declared medium, empty when there is none, or (other)',
    campaign LowCardinality(String) COMMENT 'Declared campaign, empty when there is none, or (other): the campaigns that are not shown, all if it stands alone',
    visits UInt64 COMMENT 'Visits',
    visitors Nullable(UInt64) COMMENT 'Confirmed visitors, each once: where the first visit of the window came from',
    bounces Nullable(UInt64) COMMENT 'Visits of one view and under ten seconds of engaged time',
    goals Map(LowCardinality(String), Nullable(UInt64)) COMMENT 'Visits that reached each declared goal, by its name; NULL is not shown, a name that is not there was not declared'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, source, medium, campaign)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What campaigns bring';

CREATE TABLE IF NOT EXISTS exits
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    domain LowCardinality(String) COMMENT 'Registrable domain of followed outbound links, or (other)',
    clicks UInt64 COMMENT 'Followed links',
    visitors Nullable(UInt64) COMMENT 'Confirmed visitors; not shown for rows folded together, who may share them'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, domain)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Where people leave to';

CREATE TABLE IF NOT EXISTS devices
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    device LowCardinality(String) COMMENT 'desktop, phone, tablet, tv, console or other, or (other)',
    os LowCardinality(String) COMMENT 'Operating system family, or (other): the systems that are not shown, all if it stands alone',
    visitors UInt64 COMMENT 'Confirmed visitors, each once',
    visits Nullable(UInt64) COMMENT 'Visits'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, device, os)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What visitors hold in their hands';

CREATE TABLE IF NOT EXISTS attributes
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    attribute LowCardinality(String) COMMENT 'Name of the attribute: provider, time_zone, languages …',
    value LowCardinality(String) COMMENT 'Its value, or why it is absent (unsupported, blocked, timeout, error), or (other). Of lists (languages, fonts, plugins) a visitor is under each value',
    visitors Nullable(UInt64) COMMENT 'Confirmed visitors; not shown where all but a few have the value'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, attribute, value)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What devices and connections tell, each attribute by itself';

CREATE TABLE IF NOT EXISTS visits
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    pages LowCardinality(String) COMMENT 'Page views of the visit in buckets, or (other)',
    duration LowCardinality(String) COMMENT 'Time from the first beacon of the visit to the last, lower bound of its bucket in seconds, or (other): the durations that are not shown, all if it stands alone',
    visits UInt64 COMMENT 'Visits that began in the window'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, pages, duration)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'How long visits are';

CREATE TABLE IF NOT EXISTS recency
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    absence LowCardinality(String) COMMENT 'Days since the day of the visit before in buckets, never, or (other)',
    visitors UInt64 COMMENT 'Confirmed visitors whose first beacon of the day came in this window'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, absence)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'When visitors were here before';

CREATE TABLE IF NOT EXISTS retention
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    cohort LowCardinality(String) COMMENT 'Weeks since the week of the first visit in buckets, or (other)',
    visitors UInt64 COMMENT 'Confirmed visitors'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, cohort)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Since when visitors come';

CREATE TABLE IF NOT EXISTS events
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    name LowCardinality(String) COMMENT 'Declared name, or (other)',
    count UInt64 COMMENT 'How often',
    visitors Nullable(UInt64) COMMENT 'Confirmed visitors; not shown for rows folded together, who may share them'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, name)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What the site was told to count';

CREATE TABLE IF NOT EXISTS funnels
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    funnel LowCardinality(String) COMMENT 'Declared name',
    step UInt8 COMMENT 'Number of the step, from 1',
    name LowCardinality(String) COMMENT 'What the step is: a path or the name of an event',
    visits UInt64 COMMENT 'Visits that took this step after those before it. A step is left out when a few visits lie between it and its neighbours'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, funnel, step)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'How far visits get on declared ways';

CREATE TABLE IF NOT EXISTS experiments
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    experiment LowCardinality(String) COMMENT 'Name of the event that tells the variant',
    goal LowCardinality(String) COMMENT 'Declared goal',
    variant LowCardinality(String) COMMENT 'Variant, empty for visits outside of the experiment, or (other)',
    visits UInt64 COMMENT 'Visits',
    converted Nullable(UInt64) COMMENT 'Visits that reached the goal'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, experiment, goal, variant)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What variants make visits achieve';

CREATE TABLE IF NOT EXISTS searches
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    term LowCardinality(String) COMMENT 'What was searched for, as a template, or (other)',
    count UInt64 COMMENT 'How often',
    visitors Nullable(UInt64) COMMENT 'Confirmed visitors; not shown for rows folded together, who may share them'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, term)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What is looked for on the site';

CREATE TABLE IF NOT EXISTS errors
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    template LowCardinality(String) COMMENT 'Message as a template, or (other)',
    browser LowCardinality(String) COMMENT 'Browser family, or (other): the families that are not shown, all if it stands alone',
    count UInt64 COMMENT 'How often',
    visitors Nullable(UInt64) COMMENT 'Confirmed visitors; not shown for rows folded together, who may share them',
    networks Nullable(UInt64) COMMENT 'Networks that it came from, of 256 classes; not shown for rows folded together'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, template, browser)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What fails in browsers';

CREATE TABLE IF NOT EXISTS automation
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    reason LowCardinality(String) COMMENT 'bot: and the class of a declared bot; the reason of a suspicion; detector: and what a browser said of itself; or (other)',
    count UInt64 COMMENT 'Events; of detectors, how often',
    visitors Nullable(UInt64) COMMENT 'Confirmed visitors; of declared bots nobody knows'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, reason)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Programs, as far as they can be told; none of them is in another table';

CREATE TABLE IF NOT EXISTS quality
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    outcome LowCardinality(String) COMMENT 'accepted, or why an event was dropped or refused',
    count UInt64 COMMENT 'Events, from 50'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, outcome)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What became of events at the door';

CREATE TABLE IF NOT EXISTS pairs
(
    site LowCardinality(String) COMMENT 'The site, by its configured domain',
    window_start DateTime('UTC') COMMENT 'Start of the window, by arrival',
    window_end DateTime('UTC') COMMENT 'End of the window',
    first_dimension LowCardinality(String) COMMENT 'Name of the first',
    second_dimension LowCardinality(String) COMMENT 'Name of the second',
    first LowCardinality(String) COMMENT 'Value of the first, or (other)',
    second LowCardinality(String) COMMENT 'Value of the second, or (other): the values that are not shown, all if it stands alone',
    visits UInt64 COMMENT 'Visits',
    visitors Nullable(UInt64) COMMENT 'Confirmed visitors; not shown for rows folded together, who may share them'
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(window_start)
PRIMARY KEY site
ORDER BY (site, window_start, first_dimension, second_dimension, first, second)
TTL window_end + toIntervalMonth(25)
SETTINGS non_replicated_deduplication_window = 1000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Two dimensions at once, where the operator declared them';
