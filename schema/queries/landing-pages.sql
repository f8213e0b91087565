-- On which pages do the visits of each source begin, how many are bounces, and how many reach each goal?
-- `error` is the 95 % error by noise of a number of visits, `bounce_error` that of `bounce_percent`, in points.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT channel, source, path, sum(l.visits) AS visits, sumMap(l.goals) AS goals,
       if(path = '(other)', NULL, round(1.96 * sqrt(noise * sum(1 + carried_to - day)))) AS error,
       round(100 * sum(l.bounces) / visits, 1) AS bounce_percent,
       round(100 * error / nullIf(greatest(visits, 0), 0) * sqrt(9 + pow(bounce_percent / 100, 2)), 1) AS bounce_error
FROM landings AS l
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY channel, source, path
ORDER BY visits DESC
