-- Which terms do visitors search for on the site?
SELECT term, sum(count) AS times, sum(visitors) AS visitors
FROM searches
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY term
ORDER BY times DESC
LIMIT 50
