-- At which hours of the day, by the site's time zone, do visits begin?
SELECT hour, sum(views) AS views, sum(visits) AS visits
FROM hours
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY hour
ORDER BY hour
