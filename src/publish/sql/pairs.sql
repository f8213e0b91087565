-- The cells of a declared pair that has rows of its own. Three visits of a visitor count. Of a visit, the row counts that was written last: values that grow with the
-- visit grow from row to row. `counts` and `class` are those of cells.sql.
WITH
    visits AS
    (
        SELECT
            visitor,
            max(confirmed) AS is_confirmed,
            max(new_week) AS is_new,
            max(new_month) AS is_new_month,
            min(day) AS first_day,
            min(network) AS first_network,
            max(step = 1) AS began,
            argMaxIf(({first}, {second}), {rank}, step > 0) AS place
        FROM attributes
        WHERE {within} AND attribute = '{attribute}' AND {slice}
        GROUP BY site, attribute, visitor, visit_tag
    ),
    visitors AS
    (
        SELECT
            visitor,
            max(is_confirmed) AND (NOT {week:Bool} OR max(is_new)) AS counts,
            {class_of_visits} AS class,
            groupArrayIf(3)(place, began) AS places
        FROM visits
        GROUP BY visitor
    ),
    cells AS
    (
        SELECT place.1 AS first, place.2 AS second, any(counts) AS counts, any(class) AS class, count() AS times
        FROM (SELECT visitor, counts, class, arrayJoin(places) AS place FROM visitors)
        GROUP BY visitor, first, second
    )
{whole_cells}
FROM cells
GROUP BY first, second
