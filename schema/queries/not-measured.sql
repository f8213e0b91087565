-- How many views came from browsers that asked not to be measured?
SELECT day, sum(count_only_views) AS count_only_views, sum(views) AS views
FROM site
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY day
ORDER BY day
