-- How many different visitors came in each month, and how many of them for the first time?
SELECT toStartOfMonth(day) AS month, sum(new_month) AS visitors, sum(new_ever) AS new_visitors
FROM site
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY month
ORDER BY month
