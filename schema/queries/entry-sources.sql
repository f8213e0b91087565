-- From which sites and campaigns do visits come?
SELECT channel, source, sum(visits) AS visits, sum(visitors) AS visitors
FROM entries
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY channel, source
ORDER BY visits DESC
LIMIT 50
