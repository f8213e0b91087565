-- At which hours of the day, by the site's time zone, do visits begin?
-- `error` is the 95 % error by noise of `visits`. That of `views` is three times as wide.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT hour, sum(h.views) AS views, sum(h.visits) AS visits, if(hour = '(other)', NULL, round(1.96 * sqrt(noise * count()))) AS error
FROM hours AS h
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY hour
ORDER BY hour
