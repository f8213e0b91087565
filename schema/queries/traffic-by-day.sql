-- How many views, visits and visitors did the site have, day by day?
-- `error` is the 95 % error by noise of each number. Where windows are shorter than a day, that of `visitors` is up to twice as wide.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT day, sum(s.views) AS views, sum(s.visits) AS visits, sum(s.new_day) AS visitors, round(2 * 1.96 * sqrt(noise * count())) AS error
FROM site AS s
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY day
ORDER BY day
