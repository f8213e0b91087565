-- How many visits reach each step of the declared funnels, and at which step do they stop?
-- `error` is the 95 % error by noise of `reached`.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT funnel, step, name, sum(f.visits) AS reached, round(if(step <= 4, 2, 4) * 1.96 * sqrt(noise * count())) AS error,
       round(100 * reached / first_value(reached) OVER ways, 1) AS percent_of_first,
       round(100 * reached / lagInFrame(reached, 1, reached) OVER ways, 1) AS percent_of_step_before
FROM funnels AS f
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY funnel, step, name
WINDOW ways AS (PARTITION BY funnel ORDER BY step)
ORDER BY funnel, step
