-- Which share of the events comes from programs, and by which signs of automation?
-- The share is of all events that arrived. A detector is what a browser reported about itself; it alone makes no suspect.
WITH (SELECT sum(count) FROM quality
      WHERE site = {site:String}
        AND day >= {from:Date} AND day < {to:Date}) AS received
SELECT reason, sum(count) AS events, sum(visitors) AS visitors, if(startsWith(reason, 'detector:'), NULL, round(100 * events / received, 1)) AS percent
FROM automation
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY reason
ORDER BY events DESC
LIMIT 50
