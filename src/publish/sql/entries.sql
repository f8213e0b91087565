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
    entered AS
    (
        SELECT
            visitor,
            class,
            counts,
            arraySort(view -> (view.2, view.3, view.4), arrayFilter(view -> view.5, views)) AS firsts,
            (firsts[1].3, firsts[1].4) AS home,
            arrayJoin(firsts) AS view
        FROM visitors
    ),
    cells AS
    (
        SELECT
            (view.3, if((view.3, view.4) IN shown, view.4, '(other)')) AS cell,
            any(class) AS class,
            any(counts) AS counts,
            max((view.3, view.4) = home) AS is_home,
            count() AS visits,
            countIf(view.7) AS bounced
        FROM entered
        GROUP BY visitor, cell
    )
SELECT
    [cell.1, cell.2] AS dimensions,
    countIf(counts) AS visitors,
    sample(sumMapIf([class], [1], counts)) AS crowd,
    [sum(visits), countIf(counts AND is_home), sum(bounced)] AS amounts,
    [
        [],
        sample(sumMapIf([class], [1], counts AND is_home)),
        sample(sumMapIf([class], [1], counts AND bounced > 0))
    ] AS parts,
    [[], [], sample(sumMapIf([class], [1], counts AND visits > bounced))] AS rests
FROM cells
GROUP BY cell
