-- How much went on today, hour by hour? An hour appears a minute after it has ended.
SELECT hour, sum(views) AS views, sum(visits) AS visits,
       (SELECT argMax(sigma, window_end) FROM publications WHERE site = {site:String}) AS noise
FROM hours
WHERE site = {site:String}
  AND day = toDate(now(), {zone:String})
  AND hour != '(other)'
GROUP BY hour
ORDER BY hour
