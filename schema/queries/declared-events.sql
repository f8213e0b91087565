-- How often did each declared event happen?
-- `error` is the 95 % error by noise of `times`. That of `visitors` is half as wide.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT name, sum(e.count) AS times, if(name = '(other)', NULL, round(2 * 1.96 * sqrt(noise * sum(1 + carried_to - day)))) AS error, sum(e.visitors) AS visitors
FROM events AS e
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY name
ORDER BY times DESC
