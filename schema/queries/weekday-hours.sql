-- At which hours of which days of the week do visits begin? Monday is 1.
-- `error` is the 95 % error by noise of `visits`.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT toString(toDayOfWeek(day)) AS weekday, hour, sum(h.visits) AS visits, if(hour = '(other)', NULL, round(1.96 * sqrt(noise * count()))) AS error
FROM hours AS h
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY weekday, hour
ORDER BY weekday, hour
