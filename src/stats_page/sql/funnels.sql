-- How many visits reach each step of the declared funnels?
SELECT funnel, step, name, sum(visits) AS reached
FROM funnels
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY funnel, step, name
ORDER BY funnel, step
LIMIT 200
