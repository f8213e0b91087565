-- How many visits reach each step of the declared funnels, and at which step do they stop?
SELECT funnel, step, name, sum(visits) AS reached,
       round(100 * reached / first_value(reached) OVER ways, 1) AS percent_of_first,
       round(100 * reached / lagInFrame(reached, 1, reached) OVER ways, 1) AS percent_of_step_before
FROM funnels
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY funnel, step, name
WINDOW ways AS (PARTITION BY funnel ORDER BY step)
ORDER BY funnel, step
