-- How long ago was the previous visit of the visitors?
-- `error` is the 95 % error by noise of `visitors`.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT absence, sum(r.visitors) AS visitors, if(absence = '(other)', NULL, round(1.96 * sqrt(noise * count()))) AS error,
       round(100 * visitors / sum(visitors) OVER (), 1) AS percent
FROM recency AS r
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY absence
ORDER BY visitors DESC
