-- Which pages have the most views, and which share of all views is that?
SELECT section, path, sum(views) AS views, round(100 * views / sum(views) OVER (), 1) AS percent
FROM pages
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY section, path
ORDER BY views DESC
LIMIT 50
