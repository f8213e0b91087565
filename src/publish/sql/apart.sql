-- The cells of a table that is counted from one attribute of visits: places, clients, devices, hours, searches.
--
-- `visitors` has one row per pseudonym, with its cells: first and second dimension, and the step of the row. `counts` and `class`
-- are those of cells.sql. A later visit of a window has a pseudonym of its own, which is never confirmed: it adds to the number of
-- visits, and to no crowd. So a pseudonym begins one visit at most in a cell.
WITH
    visitors AS
    (
        SELECT
            visitor,
            max(confirmed) AND (NOT {week:Bool} OR max(new_week)) AS counts,
            {class} AS class,
            {places} AS places
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
            max(place.3 = 1) AS begins,
            max(place.3 = 2) AS goes_on
        FROM (SELECT visitor, counts, class, arrayJoin(places) AS place FROM visitors)
        GROUP BY visitor, first, second
    )
SELECT
    [first, second] AS dimensions,
    countIf(counts) AS visitors,
    groupArrayIf(200)(class, counts) AS crowd,
    [visitors, sum(times), countIf(begins)] AS amounts,
    [[], [], groupArrayIf(200)(class, counts AND begins)] AS parts,
    [[], [], groupArrayIf(200)(class, counts AND goes_on)] AS rests
FROM cells
GROUP BY first, second
