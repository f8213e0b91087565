-- Which page do visitors open after which page, and in which share of the visits?
SELECT from_path, to_path, sum(visits) AS visits, round(100 * visits / sum(visits) OVER (PARTITION BY from_path), 1) AS percent
FROM transitions
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY from_path, to_path
ORDER BY visits DESC
LIMIT 100
