-- How many different visitors came in each month, and how many of them for the first time?
SELECT toStartOfMonth(window_start, {zone:String}) AS month, sum(new_month) AS visitors, sum(new_ever) AS new_visitors
FROM site
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY month
ORDER BY month
