-- How many days ago was the visitors' previous visit?
SELECT absence, sum(visitors) AS visitors
FROM recency
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY absence
ORDER BY toUInt32OrNull(extract(absence, '^[0-9]+')) NULLS LAST, absence
