-- From which regions do visitors come?
SELECT country, region, sum(visitors) AS visitors, sum(visits) AS visits
FROM places
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY country, region
ORDER BY visitors DESC
LIMIT 1000
