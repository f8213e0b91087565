-- Which values of dimensions without a natural bound can show at all: the most frequent of those with ten rows and more. All
-- others are folded where they are counted, so that whoever makes up values makes no more cells. As hashes, since they go
-- back into the query that counts; two values with one hash are both shown or none.
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
            dimension = 'exits', toString(exit_domain),
            toString(search_term)))) AS hash
    FROM events
    ARRAY JOIN multiIf(
        type = 'view', arrayConcat(
            ['paths'], if(step = 1, ['origins', 'landings'], []), if(previous_path != '', ['moves'], [])),
        type = 'exit', ['exits'],
        type = 'search', ['terms'],
        []) AS dimension
    WHERE {within} AND suspect = ''
    GROUP BY dimension, hash
    HAVING count() >= 10
    ORDER BY count() DESC, hash
    LIMIT 3000 BY dimension
)
GROUP BY dimension
