-- How many pages do visits have, and how long do they last?
SELECT pages, duration AS seconds_at_least, sum(visits) AS visits, round(100 * visits / sum(visits) OVER (), 1) AS percent
FROM visits
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY pages, duration
ORDER BY visits DESC
LIMIT 50
