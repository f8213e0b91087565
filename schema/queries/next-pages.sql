-- Which page do visitors open after which page, and in which share of the visits?
-- `error` is the 95 % error by noise of `visits`.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT from_path, to_path, sum(t.visits) AS visits, if(from_path = '(other)', NULL, round(2 * 1.96 * sqrt(noise * sum(1 + carried_to - day)))) AS error,
       round(100 * visits / sum(visits) OVER (PARTITION BY from_path), 1) AS percent
FROM transitions AS t
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY from_path, to_path
ORDER BY visits DESC
