-- How did the events at the edge end?
SELECT outcome, sum(count) AS count
FROM quality
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY outcome
ORDER BY count DESC
LIMIT 50
