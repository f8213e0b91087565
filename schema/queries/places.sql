-- From which countries and regions do visitors come?
-- `error` is the 95 % error by noise of `visitors`. That of `visits` is twice as wide.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT country, region, sum(p.visitors) AS visitors, if(region = '(other)', NULL, round(1.96 * sqrt(noise * sum(1 + carried_to - day)))) AS error, sum(p.visits) AS visits
FROM places AS p
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY country, region
ORDER BY visitors DESC
