-- How many weeks ago was the first visit of the visitors, week by week?
SELECT toMonday(window_start, {zone:String}) AS week, cohort, sum(visitors) AS visitors
FROM retention
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY week, cohort
ORDER BY week, cohort
LIMIT 2000
