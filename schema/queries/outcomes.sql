-- Which outcome do events have at the edge: how many are accepted, dropped on purpose, or rejected?
SELECT outcome, sum(count) AS events, round(100 * events / sum(events) OVER (), 2) AS percent
FROM quality
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY outcome
ORDER BY events DESC
