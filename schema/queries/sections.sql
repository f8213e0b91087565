-- Which sections of the site are read, also by pages that are too small to be named?
-- `in_other` is the share of the section's views on pages without a name of their own.
SELECT section, sum(p.views) AS views, round(100 * views / sum(views) OVER (), 1) AS percent,
       round(100 * sumIf(p.views, path = '(other)') / views, 1) AS in_other
FROM pages AS p
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY section
ORDER BY views DESC
LIMIT 50
