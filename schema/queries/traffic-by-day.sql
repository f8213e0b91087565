-- How many views, visits and visitors did the site have, day by day?
SELECT toDate(window_start, {zone:String}) AS day, sum(views) AS views, sum(visits) AS visits, sum(new_day) AS visitors
FROM site
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY day
ORDER BY day
