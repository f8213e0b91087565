-- The cells of a table with pseudonyms of its own: attributes, signals and errors; and those of the suspects among the events.
-- `{by}` decides in how many cells a pseudonym is: {cells} at most, and it adds {most} to the number of each at most.
{whole_cells}
FROM
(
    SELECT
        visitor,
        {place},
        count() AS times,
        max(confirmed) AND (NOT {week:Bool} OR max(new_week)) AS counts,
        {class} AS class
    FROM {table}
    WHERE {within} AND {only} AND {slice}
    GROUP BY {by}, visitor
    LIMIT {cells} BY visitor
)
GROUP BY first, second
