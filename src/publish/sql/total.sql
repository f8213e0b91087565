-- The site's total, by first-visit flags. The flags of a pseudonym count in the first window of its day in which it is
-- confirmed, so the query reads from the start of the day. Each visitor is in one row, and adds at most 30 views, 3 visits and 100
-- events. `cuts` has views and visits beyond that, up to as many again.
WITH
    toDateTime({start:UInt32}, 'UTC') AS start,
    visitors AS
    (
        SELECT
            visitor,
            max(confirmed AND window_end > start) AND (NOT {week:Bool} OR max(new_week)) AS counts,
            {class} AS class,
            counts AND minIf(window_end, confirmed) > start AS fresh,
            if(fresh, max(new_day) + 2 * max(new_week) + 4 * max(new_month) + 8 * max(new_ever), 0) AS flags,
            least(60, countIf(type = 'view' AND window_end > start)) AS viewed,
            least(6, uniqExactIf(visit, type = 'view' AND step = 1 AND window_end > start)) AS began,
            least(100, countIf(window_end > start)) AS happened
        FROM events
        WHERE {of_day} AND suspect = '' AND {slice}
        GROUP BY site, visitor
        HAVING max(window_end) > start
    )
SELECT
    toUInt8(flags) AS flags,
    countIf(counts) AS visitors,
    groupArrayIf(200)(class, counts) AS crowd,
    [sum(least(30, viewed)), sum(least(3, began)), sum(happened)] AS amounts,
    [sum(viewed) - amounts[1], sum(began) - amounts[2]] AS cuts
FROM visitors
GROUP BY flags
