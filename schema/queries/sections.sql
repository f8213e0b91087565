-- Which sections of the site are read, also by pages that are too small to be named?
-- `in_other` is the share of the section's views on pages without a name of their own, `error` the 95 % error by noise of `views`.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT section, sum(p.views) AS views, if(section = '(other)', NULL, round(4 * 1.96 * sqrt(noise * uniqExact(window_start)))) AS error, round(100 * views / sum(views) OVER (), 1) AS percent,
       round(100 * sumIf(p.views, path = '(other)') / views, 1) AS in_other
FROM pages AS p
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY section
ORDER BY views DESC
