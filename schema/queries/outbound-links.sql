-- To which other sites do visitors follow links?
-- `error` is the 95 % error by noise of `clicks`. That of `visitors` is half as wide.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT domain, sum(e.clicks) AS clicks, if(domain = '(other)', NULL, round(2 * 1.96 * sqrt(noise * sum(1 + carried_to - day)))) AS error, sum(e.visitors) AS visitors
FROM exits AS e
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY domain
ORDER BY clicks DESC
