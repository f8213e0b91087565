-- How many views came from browsers that asked not to be measured?
-- `error` is the 95 % error by noise of `count_only_views`.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT day, sum(s.count_only_views) AS count_only_views, round(3 * 1.96 * sqrt(noise * count())) AS error, sum(s.views) AS views
FROM site AS s
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY day
ORDER BY day
