-- Since when have visitors been coming: how many weeks ago was their first visit?
-- Visitors of a day, counted on each day on which they come; in windows of a week, once a week.
SELECT toMonday(window_start, {zone:String}) AS week, cohort, sum(visitors) AS visits_of_visitors,
       round(100 * visits_of_visitors / sum(visits_of_visitors) OVER (PARTITION BY week), 1) AS percent
FROM retention
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY week, cohort
ORDER BY week, cohort
