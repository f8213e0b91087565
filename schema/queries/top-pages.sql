-- Which pages have the most views, and which share of all views is that?
-- `error` is the 95 % error by noise of `views`.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT section, path, sum(p.views) AS views, if(path = '(other)', NULL, round(2 * 1.96 * sqrt(noise * sum(1 + carried_to - day)))) AS error,
       round(100 * views / sum(views) OVER (), 1) AS percent
FROM pages AS p
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY section, path
ORDER BY views DESC
