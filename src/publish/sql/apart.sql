-- The cells of all tables that are counted from one attribute of visits each: places, clients, devices, hours, searches.
--
-- `visitors` has one row per pseudonym, with its cells: first and second dimension, and the step of the row. A pseudonym is of one
-- attribute. Of hours and searches a visitor has several; of each other one value, that of the visit that began, if there are two.
-- `counts` and `class` are those of cells.sql. A later visit of a window has a pseudonym of its own, which is never confirmed: it adds to
-- the number of visits, and to no crowd. So a pseudonym begins one visit at most in a cell. It enters ten cells at most; further values
-- are `(other)`.
WITH
    visitors AS
    (
        SELECT
            attribute,
            visitor,
            max(confirmed) AND (NOT {week:Bool} OR max(new_week)) AS counts,
            {class} AS class,
            argMaxIf((toString(value), toString(detail)), (value != '', step), attribute NOT IN ('hour', 'search')) AS best,
            groupArrayIf(200)(
                (if(attribute = 'hour' OR toUInt32(cityHash64(toString(value))) IN [{hashes of search}], toString(value), '(other)'), '', step),
                attribute = 'hour' AND step > 0 OR attribute = 'search' AND value != '') AS several,
            if(attribute IN ('hour', 'search'), several, [(best.1, best.2, max(step))]) AS every,
            arrayDistinct(arrayMap(place -> place.1, every)) AS values,
            arrayMap(place -> if(indexOf(values, place.1) <= 10, place, ('(other)', '', place.3)), every) AS places
        FROM attributes
        WHERE {within} AND attribute IN ({attributes}) AND {slice}
        GROUP BY site, attribute, visitor
    ),
    cells AS
    (
        SELECT
            attribute,
            place.1 AS first,
            place.2 AS second,
            any(counts) AS counts,
            any(class) AS class,
            count() AS times,
            max(place.3 = 1) AS begins
        FROM (SELECT attribute, visitor, counts, class, arrayJoin(places) AS place FROM visitors)
        GROUP BY attribute, visitor, first, second
    )
SELECT
    attribute AS source,
    [first, second] AS dimensions,
    groupArrayIf(200)(class, counts) AS crowd,
    [countIf(counts), sum(least(times, 3)), countIf(begins)] AS amounts,
    sum(least(times, 6)) - amounts[2] AS cut
FROM cells
GROUP BY attribute, first, second
