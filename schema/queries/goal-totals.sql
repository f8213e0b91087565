-- How many visits of the whole site reach each goal, and which share of all visits is that?
-- `error` is the 95 % error by noise of `converted`, and `percent_error` that of `percent`, in points.
WITH (SELECT sqrt(sum(sigma * sigma)) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise,
     (SELECT ceil(3 * sqrt(max(length(goals)))) FROM site WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS wide
SELECT goal, sum(s.visits) AS visits, sum(reached) AS converted, round(1.96 * noise * wide) AS error,
       round(100 * converted / visits, 1) AS percent, round(196 * noise * sqrt(wide * wide + pow(2 * percent / 100, 2)) / visits, 1) AS percent_error
FROM site AS s
ARRAY JOIN mapKeys(goals) AS goal, mapValues(goals) AS reached
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY goal
ORDER BY goal
