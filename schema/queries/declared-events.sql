-- How often did each declared event happen?
SELECT name, sum(count) AS times, sum(visitors) AS visitors
FROM events
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY name
ORDER BY times DESC
LIMIT 50
