-- How many views came from browsers that asked not to be measured?
SELECT toDate(window_start, {zone:String}) AS day, sum(count_only_views) AS count_only_views, sum(views) AS views
FROM site
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY day
ORDER BY day
