-- To which other sites do visitors follow links?
SELECT domain, sum(clicks) AS clicks, sum(visitors) AS visitors
FROM exits
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY domain
ORDER BY clicks DESC
LIMIT 50
