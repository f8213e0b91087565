-- Which share of the visits are bounces, and how many seconds does a visit last and is it read, day by day?
-- Each `error` is the 95 % error by noise of the number before it, in its unit.
SELECT day, sum(s.visits) AS visits, round(100 * sum(s.bounces) / visits, 1) AS bounce_percent,
       round(196 * noise * sqrt(9 + pow(2 * bounce_percent / 100, 2)) / visits, 1) AS bounce_error,
       round(sum(s.duration_s) / visits) AS duration, round(1.96 * noise * sqrt(pow(1800, 2) + pow(2 * duration, 2)) / visits, 1) AS duration_error,
       round(sum(s.engaged_s) / visits) AS engaged, round(1.96 * noise * sqrt(pow(900, 2) + pow(2 * engaged, 2)) / visits, 1) AS engaged_error
FROM site AS s
JOIN (SELECT day, sqrt(sum(sigma * sigma)) AS noise FROM publications WHERE site = {site:String} GROUP BY day) AS p USING day
WHERE s.site = {site:String} AND day >= {from:Date} AND day < {to:Date}
GROUP BY day, noise
ORDER BY day
