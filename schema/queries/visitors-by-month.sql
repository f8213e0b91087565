-- How many different visitors came in each month, and how many of them for the first time?
-- `error` is the 95 % error by noise of both numbers.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT toStartOfMonth(day) AS month, sum(new_month) AS visitors, sum(new_ever) AS new_visitors, round(4 * 1.96 * sqrt(noise * count())) AS error
FROM site
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY month
ORDER BY month
