-- How long ago was the previous visit of the visitors?
SELECT absence, sum(visitors) AS visitors, round(100 * visitors / sum(visitors) OVER (), 1) AS percent
FROM recency
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY absence
ORDER BY visitors DESC
