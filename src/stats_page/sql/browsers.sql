-- Which browsers do visitors use?
SELECT browser, major, sum(visitors) AS visitors, sum(visits) AS visits
FROM clients
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY browser, major
ORDER BY visitors DESC
LIMIT 1000
