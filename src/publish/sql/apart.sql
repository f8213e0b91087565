-- The cells of a table that is counted from one attribute of visits: places, clients, devices, hours, searches.
--
-- `visitors` has one row per pseudonym, with its cells: first and second dimension, and the step of the row. `counts` and `class`
-- are those of cells.sql. A later visit of a window has a pseudonym of its own, which is never confirmed: it adds to the number of
-- visits, and to no crowd. So a pseudonym begins one visit at most in a cell. It enters ten cells at most; further values are `(other)`.
WITH
    visitors AS
    (
        SELECT
            visitor,
            max(confirmed) AND (NOT {week:Bool} OR max(new_week)) AS counts,
            {class} AS class,
            {places} AS every,
            arrayDistinct(arrayMap(place -> place.1, every)) AS values,
            arrayMap(place -> if(indexOf(values, place.1) <= 10, place, ('(other)', '', place.3)), every) AS places
        FROM attributes
        WHERE {within} AND attribute = '{attribute}' AND {slice}
        GROUP BY site, attribute, visitor
    ),
    cells AS
    (
        SELECT
            place.1 AS first,
            place.2 AS second,
            any(counts) AS counts,
            any(class) AS class,
            count() AS times,
            max(place.3 = 1) AS begins
        FROM (SELECT visitor, counts, class, arrayJoin(places) AS place FROM visitors)
        GROUP BY visitor, first, second
    )
SELECT
    [first, second] AS dimensions,
    groupArrayIf(200)(class, counts) AS crowd,
    [countIf(counts), sum(least(times, 3)), countIf(begins)] AS amounts,
    sum(least(times, 6)) - amounts[2] AS cut
FROM cells
GROUP BY first, second
