-- Which links to other sites are followed?
SELECT domain, sum(clicks) AS clicks, sum(visitors) AS visitors
FROM exits
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY domain
ORDER BY clicks DESC
LIMIT 1000
