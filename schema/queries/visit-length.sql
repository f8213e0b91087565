-- How many pages do visits have, and how long do they last?
-- `error` is the 95 % error by noise of `visits`.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT pages, duration AS seconds_at_least, sum(v.visits) AS visits, if(duration = '(other)', NULL, round(1.96 * sqrt(noise * count()))) AS error,
       round(100 * visits / sum(visits) OVER (), 1) AS percent
FROM visits AS v
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY pages, duration
ORDER BY visits DESC
