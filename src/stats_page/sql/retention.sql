-- How many weeks ago was the first visit of the visitors, week by week? `noise` is its standard deviation.
SELECT toMonday(window_start, {zone:String}) AS week, cohort, sum(visitors) AS visitors, sqrt(sum(sigma * sigma)) AS noise
FROM retention
INNER JOIN (SELECT site, window_start, sigma FROM publications) AS published USING (site, window_start)
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY week, cohort
ORDER BY week, cohort
LIMIT 2000
