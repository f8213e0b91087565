-- Which sources bring visits that reach each goal: orders, sign-ups?
-- `error` is the 95 % error by noise of `converted`, and `percent_error` that of `percent`, in points. (other) has the noise of all
-- rows beside it, so it has none here.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise,
     (SELECT ceil(3 * sqrt(max(length(goals)))) FROM entries WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS wide
SELECT channel, source, goal, sum(e.visits) AS visits, sum(reached) AS converted,
       if(source = '(other)', NULL, round(1.96 * wide * sqrt(noise * sum(1 + carried_to - day)))) AS error,
       round(100 * converted / visits, 1) AS percent,
       round(error * 100 / wide * sqrt(wide * wide + pow(percent / 100, 2)) / nullIf(greatest(visits, 0), 0), 1) AS percent_error
FROM entries AS e
ARRAY JOIN mapKeys(goals) AS goal, mapValues(goals) AS reached
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY channel, source, goal
ORDER BY goal, converted DESC
