-- Cells of what views have: their path, or their hour. A visitor is in as many cells as it opened.
WITH
    m -> arraySlice(arrayZip(m.1, arrayMap(n -> least(n, 3), m.2)), 1, 32) AS sample,
    shown AS
    (
        SELECT path FROM events
        WHERE {within} AND type = 'view'
        GROUP BY path ORDER BY count() DESC, path LIMIT {cells:UInt32}
    ),
    visitors AS ({visitors}),
    opened AS (SELECT visitor, class, counts, arrayJoin(views) AS view FROM visitors),
    cells AS
    (
        SELECT
            {key} AS cell,
            any(class) AS class,
            any(counts) AS counts,
            count() AS viewed,
            countIf(view.5) AS entered,
            countIf(view.6) AS left
        FROM opened
        GROUP BY visitor, cell
    )
SELECT
    [cell] AS dimensions,
    countIf(counts) AS visitors,
    sample(sumMapIf([class], [1], counts)) AS crowd,
    [sum(viewed), visitors, sum(entered), sum(left)] AS amounts,
    [
        [],
        [],
        sample(sumMapIf([class], [1], counts AND entered > 0)),
        sample(sumMapIf([class], [1], counts AND left > 0))
    ] AS parts,
    [
        [],
        [],
        sample(sumMapIf([class], [1], counts AND viewed > entered)),
        sample(sumMapIf([class], [1], counts AND viewed > left))
    ] AS rests
FROM cells
GROUP BY cell
