-- Through which channels do visits begin, and how many are bounces?
-- `error` is the 95 % error by noise of `visits`, `bounces_error` that of `bounces`. A channel has three times the noise of a source.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT channel, sum(e.visits) AS visits, if(channel = '(other)', NULL, round(3 * 1.96 * sqrt(noise * uniqExact(window_start)))) AS error,
       sum(e.bounces) AS bounces, 3 * error AS bounces_error, round(100 * bounces / visits, 1) AS bounce_percent
FROM entries AS e
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY channel
ORDER BY visits DESC
