-- The cells of a table with pseudonyms of its own: attributes, signals and errors; and those of the suspects among the events.
-- `{by}` decides in how many cells a pseudonym is.
SELECT
    [first, second] AS dimensions,
    countIf(counts) AS visitors,
    groupArrayIf(200)(class, counts) AS crowd,
    [visitors, sum(times), 0] AS amounts,
    [[], [], []] AS parts,
    [[], [], []] AS rests
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
