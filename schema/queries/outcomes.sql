-- Which outcome do events have at the edge: how many are accepted, dropped on purpose, or rejected?
-- `error` is the 95 % error by noise of `events`.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT outcome, sum(q.count) AS events, round(3 * 1.96 * sqrt(noise * count())) AS error, round(100 * events / sum(events) OVER (), 2) AS percent
FROM quality AS q
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY outcome
ORDER BY events DESC
