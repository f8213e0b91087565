-- At which hours of the day, by the site's time zone, do visits begin?
SELECT hour, sum(views) AS views, sum(visits) AS visits
FROM hours
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY hour
ORDER BY hour
