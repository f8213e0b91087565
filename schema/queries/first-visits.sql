-- Which share of the visitors of a day is here for the first time, as far as cookies remember?
-- `error` is the 95 % error by noise of `percent`, in points.
SELECT day, sum(s.new_day) AS visitors, sum(s.new_ever) AS first_visits, round(100 * first_visits / visitors, 1) AS percent,
       round(196 * noise * sqrt(16 + pow(2 * percent / 100, 2)) / visitors, 1) AS error
FROM site AS s
JOIN (SELECT day, sqrt(sum(sigma * sigma)) AS noise FROM publications WHERE site = {site:String} GROUP BY day) AS p USING day
WHERE s.site = {site:String} AND day >= {from:Date} AND day < {to:Date}
GROUP BY day, noise
ORDER BY day
