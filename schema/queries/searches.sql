-- Which terms do visitors search for on the site?
SELECT term, sum(count) AS times, sum(visitors) AS visitors
FROM searches
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY term
ORDER BY times DESC
LIMIT 50
