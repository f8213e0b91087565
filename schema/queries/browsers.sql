-- Which browsers do visitors use?
-- `error` is the 95 % error by noise of `visitors`.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT browser, major, sum(c.visitors) AS visitors, if(major = '(other)', NULL, round(1.96 * sqrt(noise * sum(1 + carried_to - day)))) AS error,
       round(100 * visitors / sum(visitors) OVER (), 1) AS percent
FROM clients AS c
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY browser, major
ORDER BY visitors DESC
