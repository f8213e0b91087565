-- How long ago was the previous visit of the visitors?
SELECT absence, sum(visitors) AS visitors, round(100 * visitors / sum(visitors) OVER (), 1) AS percent
FROM recency
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY absence
ORDER BY visitors DESC
