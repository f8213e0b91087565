SELECT
    [first, second] AS dimensions,
    countIf(counts) AS visitors,
    groupArrayIf(200)(class, counts) AS crowd,
    [visitors, sum(times), 0] AS amounts,
    [[], [], []] AS parts,
    [[], [], []] AS rests
