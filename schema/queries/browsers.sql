-- Which browsers do visitors use?
SELECT browser, major, sum(visitors) AS visitors, round(100 * visitors / sum(visitors) OVER (), 1) AS percent
FROM clients
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY browser, major
ORDER BY visitors DESC
LIMIT 50
