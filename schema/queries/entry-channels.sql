-- Through which channels do visits begin, and how many are bounces?
SELECT channel, sum(e.visits) AS visits, sum(e.bounces) AS bounces, round(100 * bounces / visits, 1) AS bounce_percent
FROM entries AS e
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY channel
ORDER BY visits DESC
