-- The names of unbounded dimensions that may have a cell, and from how many network classes confirmed visitors came to each. So
-- names that one network invents are last, however many rows they have. If there are more names than may have a cell, the publisher
-- takes the first by this number and noise. Of a visitor 200 names count.
-- Also a name of one network is returned: it may be large enough in a week or a month. Names are returned as hashes because they are put into the query that counts cells, which folds all other names. Two
-- names with the same hash are both candidates or neither.
-- Networks of a name are counted up to 40, in few bytes; those of a digest all, since they decide whether it is shared. Rows are
-- read in the order of pseudonyms, so the names of one visitor are in memory at a time.
SELECT dimension, groupArray(hash) AS hashes, groupArray(crowd) AS crowds
FROM
(
    SELECT name.1 AS dimension, name.2 AS hash, {networks}(class) AS crowd
    FROM
    (
        SELECT toUInt16(toUInt16(min(day)) % 256 * 256 + min(network)) AS class, groupUniqArrayArray(200)({names}) AS names
        FROM {from}
        WHERE {within} AND {only}
        GROUP BY {by}, visitor
        HAVING max(confirmed)
    )
    ARRAY JOIN names AS name
    GROUP BY dimension, hash
    ORDER BY crowd DESC, hash
    LIMIT 20000 BY dimension
)
GROUP BY dimension
