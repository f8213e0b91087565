-- Which sections of the site are read, and which share of that on pages that are too small to be named?
SELECT section, sum(p.views) AS views, greatest(0, round(100 * sumIf(p.views, path = '(other)') / views)) AS unnamed_percent
FROM pages AS p
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY section
ORDER BY views DESC
LIMIT 1000
