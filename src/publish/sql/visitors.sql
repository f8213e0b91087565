-- Each pseudonym of the window with what it did, suspects left out. The table's order (site, visitor, …) lets the engine
-- finish one pseudonym before it begins the next, so that memory does not grow with the traffic; of one pseudonym, 2,000
-- views and 2,000 engaged visits are looked at at most.
-- `counts`: a confirmed visitor; in windows of 7 days, on its first day of the week, so that nobody counts twice.
-- `class` is what the network cap counts by: the network's byte, in windows of 7 days that of the day.
-- `views`: visit, step, path, hour, channel, source, by visit and step. `began`: the visits whose first view is here.
SELECT
    visitor,
    max(confirmed) AND (NOT {week:Bool} OR max(new_week)) AS counts,
    if({week:Bool}, toUInt16(dateDiff('day', {first_day:Date}, min(day))) * 256, 0) + min(network) AS class,
    arraySort(groupArrayIf(2000)((visit, step, path, hour, entry_channel, entry_source), type = 'view')) AS views,
    arrayDistinct(arrayMap(v -> v.1, arrayFilter(v -> v.2 = 1, views))) AS began,
    groupUniqArrayIf(2000)(visit, engaged_s >= 10) AS engaged,
    min((country = '', hour, country, region)) AS first_place,
    min((browser = '', hour, browser, browser_major)) AS first_client,
    (first_place.3, first_place.4) AS place,
    (first_client.3, first_client.4) AS client
FROM events
WHERE {within}
GROUP BY site, visitor
