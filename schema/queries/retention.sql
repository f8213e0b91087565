-- How old is the first visit of the visitors: how many weeks ago was it?
-- `visitor_days` counts a visitor on each day with a visit; in windows of a week, once a week.
SELECT toMonday(day) AS week, cohort, sum(visitors) AS visitor_days,
       round(100 * visitor_days / sum(visitor_days) OVER (PARTITION BY week), 1) AS percent
FROM retention
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY week, cohort
ORDER BY week, cohort
