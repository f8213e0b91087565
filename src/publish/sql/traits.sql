-- Cells of what visitors have: a place, or a client. A visitor is in one cell, that of its first hour with a known value.
WITH
    m -> arraySlice(arrayZip(m.1, arrayMap(n -> least(n, 3), m.2)), 1, 32) AS sample,
    shown AS
    (
        SELECT {columns} FROM events
        WHERE {within}
        GROUP BY {columns} ORDER BY count() DESC, {columns} LIMIT {cells:UInt32}
    ),
    visitors AS ({visitors}),
    cells AS
    (
        SELECT class, counts, began, ({key}.1, if({key} IN shown, {second}, '(other)')) AS cell FROM visitors
    )
SELECT
    [cell.1, cell.2] AS dimensions,
    countIf(counts) AS visitors,
    sample(sumMapIf([class], [1], counts)) AS crowd,
    [visitors, sum(began)] AS amounts,
    [[], sample(sumMapIf([class], [1], counts AND began > 0))] AS parts,
    [[], []] AS rests
FROM cells
GROUP BY cell
