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
    cells AS
    (
        SELECT
            class,
            counts,
            arrayMap((v, i) -> (
                {key},
                (i = 1 OR views[i - 1].1 != v.1) AND v.2 = 1,
                (i = length(views) OR views[i + 1].1 != v.1) AND has(began, v.1)), views, arrayEnumerate(views)) AS marked,
            arrayJoin(arrayDistinct(marked.1)) AS cell,
            arrayFilter(v -> v.1 = cell, marked) AS here,
            length(here) AS viewed,
            countEqual(here.2, 1) AS entered,
            countEqual(here.3, 1) AS left
        FROM visitors
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
