-- From which pages do visits come to each page, and which share of the moves to it is that?
-- `error` is the 95 % error by noise of `visits`. Ways of few visitors are in (other), so shares are of the ways that are named.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT to_path, from_path, sum(visits) AS moves, round(2 * 1.96 * sqrt(noise * sum(1 + carried_to - day))) AS error,
       round(100 * moves / sum(moves) OVER (PARTITION BY to_path), 1) AS percent
FROM transitions
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date} AND from_path != '(other)'
GROUP BY to_path, from_path
ORDER BY moves DESC
