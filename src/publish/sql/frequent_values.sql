-- The values of unbounded dimensions that can be published: the most frequent ones with at least ten rows. The query that counts
-- cells folds all other values, so that invented values make no more cells. The values are returned as hashes because they are
-- put into that query. Two values with the same hash are both published or both folded.
SELECT dimension, groupArray(hash) AS hashes
FROM
(
    SELECT
        dimension,
        toUInt32(cityHash64(multiIf(
            dimension = 'origins', concat(toString(entry_channel), '\x1f', toString(entry_source)),
            dimension = 'landings', concat(toString(entry_channel), '\x1f', toString(entry_source), '\x1f', toString(path)),
            dimension = 'paths', toString(path),
            dimension = 'moves', concat(toString(previous_path), '\x1f', toString(path)),
            toString(exit_domain)))) AS hash
    FROM events
    ARRAY JOIN multiIf(
        type = 'view', arrayConcat(
            ['paths'], if(step = 1, ['origins', 'landings'], []), if(previous_path != '', ['moves'], [])),
        type = 'exit', ['exits'],
        []) AS dimension
    WHERE {within} AND suspect = ''
    GROUP BY dimension, hash
    HAVING count() >= 10
    ORDER BY count() DESC, hash
    LIMIT 3000 BY dimension
)
GROUP BY dimension
