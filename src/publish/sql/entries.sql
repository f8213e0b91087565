-- Cells of how visits began. A visitor counts once, where its first visit of the window came from; visits and bounces
-- count where they came from themselves.
WITH
    m -> arraySlice(arrayZip(m.1, arrayMap(n -> least(n, 3), m.2)), 1, 32) AS sample,
    shown AS
    (
        SELECT entry_channel, entry_source FROM events
        WHERE {within} AND type = 'view' AND step = 1
        GROUP BY entry_channel, entry_source ORDER BY count() DESC, entry_channel, entry_source LIMIT {cells:UInt32}
    ),
    visitors AS ({visitors}),
    cells AS
    (
        SELECT
            class,
            counts,
            arraySort(v -> (v.4, v.1), arrayFilter((v, i) -> v.2 = 1 AND (i = 1 OR views[i - 1].1 != v.1), views,
                arrayEnumerate(views))) AS firsts,
            arrayMap(v -> (
                if((v.5, v.6) IN shown, (v.5, v.6), (v.5, '(other)')),
                countEqual(views.1, v.1) = 1 AND NOT has(engaged, v.1)), firsts) AS marked,
            arrayJoin(arrayDistinct(marked.1)) AS cell,
            arrayFilter(v -> v.1 = cell, marked) AS here,
            counts AND marked[1].1 = cell AS home,
            length(here) AS visits,
            countEqual(here.2, 1) AS bounced
        FROM visitors
    )
SELECT
    [cell.1, cell.2] AS dimensions,
    countIf(counts) AS visitors,
    sample(sumMapIf([class], [1], counts)) AS crowd,
    [sum(visits), countIf(home), sum(bounced)] AS amounts,
    [[], sample(sumMapIf([class], [1], counts AND home)), sample(sumMapIf([class], [1], counts AND bounced > 0))] AS parts,
    [[], [], sample(sumMapIf([class], [1], counts AND visits > bounced))] AS rests
FROM cells
GROUP BY cell
