-- From which countries and regions do visitors come?
SELECT country, region, sum(visitors) AS visitors, sum(visits) AS visits
FROM places
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY country, region
ORDER BY visitors DESC
LIMIT 50
