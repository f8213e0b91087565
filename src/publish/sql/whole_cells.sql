SELECT
    [first, second] AS dimensions,
    groupArrayIf(200)(class, counts) AS crowd,
    [countIf(counts), sum(least(times, {most}))] AS amounts,
    sum(least(times, 2 * {most})) - amounts[2] AS cut
