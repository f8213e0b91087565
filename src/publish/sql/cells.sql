-- The cells of every table that is counted from events, in one pass over a slice of pseudonyms. Suspects are left out.
--
-- `plain`, `judged` and `visits` have one row per visit and pseudonym, in three steps: an engine writes an expression anew wherever its name stands
-- in the same step, and takes longer to understand the statement than to count a small site. At most 200 views, exits and events of a visit count, and at most
-- 20,000 contributions of a pseudonym.
--   views: step, path and previous path, in the order of steps. `began`: the first view is in this window.
--   engaged: for each view, the engaged seconds, as the middle of the bucket that was reported last. `lasted`: the bucket of the duration.
--   of_visit, of_views: what the visit contributes once, and for each view or event. A contribution has the source, the first and
--   second dimension, and the measures.
-- `visitors` adds up what each pseudonym has. `counts`: it is confirmed; in windows of 7 days it counts only on its first day of
-- the week, so that no visitor counts twice. `class`: the network class for the network cap; in windows of 7 days it includes
-- the day. `home`: how the first visit of the window began.
-- The bounds: three visits of a pseudonym contribute, it enters 30 cells of a source, and no number of a cell grows by more than 3; seconds grow by
-- what their table allows.
-- `cut` is what the last bound cut off, up to 3 as well.
-- The answer has one row per cell, with its crowd: at most 200 visitors, which is far more than the threshold.
WITH
    plain AS
    (
        SELECT
            visitor,
            visit,
            max(confirmed) AS is_confirmed,
            max(new_week) AS is_new,
            max(new_month) AS is_new_month,
            max(new_window) AS is_first,
            min(day) AS first_day,
            min(network) AS first_network,
            arraySort(groupArrayIf(200)((step, toString(path), toString(previous_path)), type = 'view')) AS views,
            groupArrayIf(200)((step, {middle of engaged_s}), engaged_s > 0) AS engages,
            max(engaged_s) AS longest_view,
            toString(max(entry_channel)) AS channel,
            toString(max(entry_source)) AS true_source,
            toString(max(entry_medium)) AS medium,
            toString(max(entry_campaign)) AS called,
            max(duration_s) AS lasted,
            groupArrayIf(200)(toString(exit_domain), type = 'exit') AS exits,
            groupArrayIf(200)(toString(name), type = 'event') AS names,
            max(visit_number) AS number,
            max(absence) AS absent,
            max(cohort) AS since{declared}
        FROM events
        WHERE {within} AND suspect = '' AND {slice}
        GROUP BY site, visitor, visit
    ),
    judged AS
    (
        SELECT
            *,
            length(views) AS viewed,
            views[1].1 = 1 AS began,
            arrayMap(view -> arrayMax(arrayMap(of -> if(of.1 = view.1, of.2, 0), engages)), views) AS engaged,
            began AND viewed = 1 AND longest_view < 10 AS bounced,
            concat(channel, '\x1f', true_source) AS true_origin,
            toUInt32(cityHash64(true_origin)) IN [{hashes of origins}] AS is_shown,
            if(is_shown, true_source, '(other)') AS source,
            views[1].2 AS first_path,
            toUInt32(cityHash64(concat(true_origin, '\x1f', first_path))) IN [{hashes of landings}] AS is_landing,
            if(is_landing OR is_shown, true_origin, '(other)') AS origin,
            if(is_landing, first_path, '(other)') AS landing,
            multiIf(
                channel NOT IN ('paid', 'campaign'), ('\x1f', ''),
                is_shown, (concat(true_source, '\x1f', medium), called),
                ('(other)', '(other)')) AS campaign,
            multiIf(viewed <= 5, toString(viewed), viewed <= 10, '6-10', viewed <= 20, '11-20', '21+') AS pages,
            toString(lasted) AS duration
        FROM plain
    ),
    visits AS
    (
        SELECT
            *,
            arrayConcat({by_visit}) AS of_visit,
            arrayConcat({by_views}) AS of_views
        FROM judged
    ),
    visitors AS
    (
        SELECT
            visitor,
            max(is_confirmed) AND (NOT {week:Bool} OR max(is_new)) AS counts,
            {class_of_visits} AS class,
            toUInt16(least(countIf(began), 2000)) AS began_visits,
            minIf((NOT is_first, channel, source, origin, landing, campaign.1, campaign.2), began) AS home,
            max(visits.absent) AS longest,
            max(visits.since) AS since_week,
            max(is_new) AS begins_week,
            arrayConcat(
                groupArrayArray(20000)(visits.of_views), arrayFlatten(groupArrayIf(3)(visits.of_visit, began)), {by_visitor}) AS all_parts
        FROM visits
        GROUP BY visitor
    ),
    cells AS
    (
        SELECT part.1 AS source, part.2 AS first, part.3 AS second, any(class) AS class, any(counts) AS counts, {sums},
            sum(part.4) AS times
        FROM (SELECT visitor, class, counts, arrayJoin(all_parts) AS part FROM visitors)
        GROUP BY visitor, source, first, second
        LIMIT 30 BY visitor, source
    )
SELECT
    source,
    [first, second] AS dimensions,
    groupArrayIf(200)(class, counts) AS crowd,
    [countIf(counts), {amounts}] AS amounts,
    sum(least(times, 6)) - sum(m0) AS cut
FROM cells
GROUP BY source, first, second
