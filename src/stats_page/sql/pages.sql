-- Which pages are read, for how many seconds, and where do visits begin and end?
SELECT path, sum(views) AS views, sum(visitors) AS visitors, sum(entries) AS entries, sum(last_pages) AS last_pages, sum(engaged_s) AS engaged_s
FROM pages
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY path
ORDER BY views DESC
LIMIT 1000
