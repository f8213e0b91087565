-- How long is each page read: how many engaged seconds has a view?
-- `error` is the 95 % error by noise, in seconds. Pages of few views have a large one.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT section, path, sum(p.views) AS views, round(sum(p.engaged_s) / views, 1) AS seconds_a_view,
       round(1.96 * sqrt(noise * sum(1 + carried_to - day) * (pow(360, 2) + pow(2 * seconds_a_view, 2))) / views, 1) AS error
FROM pages AS p
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date} AND path != '(other)'
GROUP BY section, path
HAVING views > 0
ORDER BY views DESC
