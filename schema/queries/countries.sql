-- From which countries do visitors come?
-- `error` is the 95 % error by noise of `visitors`. A country has three times the noise of a region.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT country, sum(p.visitors) AS visitors, if(country = '(other)', NULL, round(3 * 1.96 * sqrt(noise * uniqExact(window_start)))) AS error,
       round(100 * visitors / sum(visitors) OVER (), 1) AS percent
FROM places AS p
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY country
ORDER BY visitors DESC
