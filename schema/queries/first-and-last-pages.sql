-- On which pages do visits begin, and on which do they end?
SELECT path, sum(entries) AS begun_here, sum(last_pages) AS ended_here
FROM pages
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY path
ORDER BY begun_here DESC
LIMIT 50
