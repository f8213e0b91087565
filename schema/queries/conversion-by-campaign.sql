-- How many visits does each campaign bring, and which share of them reaches each goal?
-- `error` is the 95 % error by noise of `converted`, and `percent_error` that of `percent`, in points.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise,
     (SELECT ceil(3 * sqrt(max(length(goals)))) FROM campaigns WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS wide
SELECT source, medium, campaign, goal, sum(c.visits) AS visits, sum(reached) AS converted,
       if(campaign = '(other)', NULL, round(1.96 * wide * sqrt(noise * sum(1 + carried_to - day)))) AS error,
       round(100 * converted / visits, 1) AS percent,
       round(error * 100 / wide * sqrt(wide * wide + pow(percent / 100, 2)) / nullIf(greatest(visits, 0), 0), 1) AS percent_error
FROM campaigns AS c
ARRAY JOIN mapKeys(goals) AS goal, mapValues(goals) AS reached
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY source, medium, campaign, goal
ORDER BY goal, visits DESC
