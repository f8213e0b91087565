-- Of those who came for the first time in a week, how many came back in each week after it?
-- The triangle of cohorts. A visitor is counted once a week. `percent` is of the first week, if the period has it; `error` is its 95 %
-- error by noise, in points. First weeks more than four weeks ago are kept in groups, and are not in the triangle.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT first_week, weeks_later, came AS visitors, if(first_came > 0, round(100 * came / first_came, 1), NULL) AS percent,
       if(first_came > 0, round(196 * sqrt(noise * windows * (1 + pow(came / first_came, 2))) / first_came, 1), NULL) AS error
FROM
(
    SELECT toMonday(day) - 7 * toUInt16(cohort) AS first_week, toUInt16(cohort) AS weeks_later, sum(visitors) AS came, count() AS windows,
           maxIf(came, weeks_later = 0) OVER (PARTITION BY first_week) AS first_came
    FROM retention
    WHERE site = {site:String}
      AND day >= {from:Date} AND day < {to:Date} AND match(cohort, '^[0-9]+$')
    GROUP BY first_week, weeks_later
)
ORDER BY first_week, weeks_later
