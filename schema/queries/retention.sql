-- How old is the first visit of the visitors: how many weeks ago was it?
-- `visitor_days` counts a visitor on each day with a visit; in windows of a week, once a week.
SELECT toMonday(window_start, {zone:String}) AS week, cohort, sum(visitors) AS visitor_days,
       round(100 * visitor_days / sum(visitor_days) OVER (PARTITION BY week), 1) AS percent
FROM retention
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY week, cohort
ORDER BY week, cohort
