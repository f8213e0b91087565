-- How often did each declared event happen?
SELECT name, sum(count) AS count, sum(visitors) AS visitors
FROM events
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY name
ORDER BY count DESC
LIMIT 1000
