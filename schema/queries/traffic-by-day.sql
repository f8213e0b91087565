-- How many views, visits and visitors did the site have, day by day?
SELECT day, sum(views) AS views, sum(visits) AS visits, sum(new_day) AS visitors
FROM site
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY day
ORDER BY day
