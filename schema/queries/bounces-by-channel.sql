-- Which share of the visits of each channel are bounces?
-- `error` is the 95 % error by noise of `visits`, `bounce_error` that of `bounce_percent`, in points. A channel has three times the noise of a source.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT channel, sum(e.visits) AS visits, if(channel = '(other)', NULL, round(3 * 1.96 * sqrt(noise * uniqExact(window_start)))) AS error,
       round(100 * sum(e.bounces) / visits, 1) AS bounce_percent,
       round(100 * error * sqrt(9 + pow(bounce_percent / 100, 2)) / nullIf(greatest(visits, 0), 0), 1) AS bounce_error
FROM entries AS e
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY channel
ORDER BY visits DESC
