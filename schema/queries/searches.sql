-- Which terms do visitors search for on the site?
-- `error` is the 95 % error by noise of `times`. That of `visitors` is half as wide.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT term, sum(s.count) AS times, if(term = '(other)', NULL, round(2 * 1.96 * sqrt(noise * sum(1 + carried_to - day)))) AS error, sum(s.visitors) AS visitors
FROM searches AS s
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY term
ORDER BY times DESC
