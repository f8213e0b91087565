-- Everything that a report compares: a number by kind and name, of the days of the period and of the days before.
-- `wide` is how many times as wide as sigma its noise is.
WITH
    (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND has(splitByChar(',', {now:String}), toString(day))) AS variance_now,
    (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND has(splitByChar(',', {before:String}), toString(day))) AS variance_before
SELECT kind, name, sumIf(number, is_now) AS now, sumIf(number, NOT is_now) AS before,
       uniqIf(day, is_now) AS now_days, uniqIf(day, NOT is_now) AS before_days,
       toFloat64(max(wide) * sqrt(variance_now * countIf(is_now))) AS now_noise,
       toFloat64(max(wide) * sqrt(variance_before * countIf(NOT is_now))) AS before_noise
FROM
(
    SELECT kind, name, day, number, wide, has(splitByChar(',', {now:String}), toString(day)) AS is_now
    FROM
    (
        SELECT 'total' AS kind, 'views' AS name, day, views AS number, 2 AS wide FROM site WHERE site = {site:String}
        UNION ALL SELECT 'total', 'visits', day, visits, 2 FROM site WHERE site = {site:String}
        UNION ALL SELECT 'total', 'visitors', day, new_day, 2 FROM site WHERE site = {site:String}
        UNION ALL SELECT 'total', 'bounces', day, bounces, 3 FROM site WHERE site = {site:String}
        UNION ALL SELECT 'total', 'errors', day, sum(count), 4 FROM errors WHERE site = {site:String} GROUP BY day
        UNION ALL SELECT 'goal', goal, day, reached, ceil(3 * sqrt(length(goals))) FROM site ARRAY JOIN mapKeys(goals) AS goal, mapValues(goals) AS reached WHERE site = {site:String}
        UNION ALL SELECT 'source', source, day, sum(visits), 1 FROM entries WHERE site = {site:String} AND carried_to = day AND source NOT IN ('', '(other)') GROUP BY source, day
        UNION ALL SELECT 'campaign', campaign, day, sum(visits), 1 FROM campaigns WHERE site = {site:String} AND carried_to = day AND campaign != '(other)' GROUP BY campaign, day
        UNION ALL SELECT 'page', path, day, sum(views), 2 FROM pages WHERE site = {site:String} AND carried_to = day AND path != '(other)' GROUP BY path, day
        UNION ALL SELECT 'place', if(region IN ('', '(other)'), country, concat(country, ' ', region)), day, sum(visitors), 1
                  FROM places WHERE site = {site:String} AND carried_to = day AND country != '(other)' GROUP BY country, region, day
        UNION ALL SELECT 'error', template, day, sum(count), 6 FROM errors WHERE site = {site:String} AND carried_to = day AND template != '(other)' GROUP BY template, day
    )
    WHERE number IS NOT NULL AND (has(splitByChar(',', {now:String}), toString(day)) OR has(splitByChar(',', {before:String}), toString(day)))
)
GROUP BY kind, name
HAVING now_days > 0 OR before_days > 0
ORDER BY kind, now DESC
