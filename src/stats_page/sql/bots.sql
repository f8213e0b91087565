-- Which programs, and signs of automation, were seen?
SELECT reason, sum(count) AS count
FROM automation
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY reason
ORDER BY count DESC
LIMIT 50
