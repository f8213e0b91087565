-- Which pages have the most views, and which share of all views is that?
SELECT path, sum(views) AS views, round(100 * views / sum(views) OVER (), 1) AS percent
FROM pages
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY path
ORDER BY views DESC
LIMIT 50
