-- What do visitors look for?
SELECT term, sum(count) AS count, sum(visitors) AS visitors
FROM searches
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY term
ORDER BY count DESC
LIMIT 1000
