-- Which pages are the last of a visit, by their views?
-- `error` is the 95 % error by noise of `percent`, in points. A page that should be the last, as a thank-you, has a large share.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT section, path, sum(p.views) AS views, sum(p.last_pages) AS ended_here, round(100 * ended_here / views, 1) AS percent,
       round(196 * sqrt(noise * sum(1 + carried_to - day) * 4 * (1 + pow(percent / 100, 2))) / views, 1) AS error
FROM pages AS p
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date} AND path != '(other)'
GROUP BY section, path
HAVING views > 0
ORDER BY views DESC
