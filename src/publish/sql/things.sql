-- Cells of a table whose pseudonyms are its own: attributes of devices, signals, failed scripts; and of the suspects among
-- the events. A pseudonym is in as many cells as `{by}` makes of it.
SELECT
    [first, second] AS dimensions,
    countIf(counts) AS visitors,
    groupArrayIf(200)(class, counts) AS crowd,
    [visitors, sum(times)] AS amounts,
    [[], []] AS parts,
    [[], []] AS rests
FROM
(
    SELECT
        visitor,
        {place},
        count() AS times,
        max(confirmed) AND (NOT {week:Bool} OR max(new_week)) AS counts,
        if({week:Bool}, toUInt16(dateDiff('day', {first_day:Date}, min(day))) * 256, 0) + min(network) AS class
    FROM {table}
    WHERE {within} AND {only} AND {slice}
    GROUP BY {by}, visitor
)
GROUP BY first, second
