-- Which share of the events comes from programs, and by which signs of automation?
-- The share is of all events that arrived. A detector is what a browser reported about itself; it alone makes no suspect.
-- `error` is the 95 % error by noise of `events`.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise,
     (SELECT sum(count) FROM quality
      WHERE site = {site:String}
        AND day >= {from:Date} AND day < {to:Date}) AS received
SELECT reason, sum(a.count) AS events, if(reason = '(other)', NULL, round(if(startsWith(reason, 'bot:'), 3, 10) * 1.96 * sqrt(noise * count()))) AS error,
       sum(a.visitors) AS visitors, if(startsWith(reason, 'detector:'), NULL, round(100 * events / received, 1)) AS percent
FROM automation AS a
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY reason
ORDER BY events DESC
