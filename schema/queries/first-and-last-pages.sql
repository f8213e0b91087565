-- On which pages do visits begin, and on which do they end?
-- `error` is the 95 % error by noise of both numbers.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT section, path, sum(entries) AS begun_here, sum(last_pages) AS ended_here,
       if(path = '(other)', NULL, round(2 * 1.96 * sqrt(noise * sum(1 + carried_to - day)))) AS error
FROM pages
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY section, path
ORDER BY begun_here DESC
