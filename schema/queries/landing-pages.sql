-- On which pages do the visits of each channel begin, and how many are bounces?
SELECT channel, path, sum(l.visits) AS visits,
       round(100 * sum(l.bounces) / visits, 1) AS bounce_percent
FROM landings AS l
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY channel, path
ORDER BY visits DESC
LIMIT 100
