-- Which languages do browsers ask for? One may ask for several.
-- `percent` is of the devices of which the languages are known; `error` is its 95 % error by noise, in points.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT value, sum(a.visitors) AS visitors, sum(a.devices) AS devices, round(100 * visitors / devices, 1) AS percent,
       if(value = '(other)', NULL, round(2 * 196 * sqrt(noise * count() * (1 + pow(percent / 100, 2))) / devices, 1)) AS error
FROM attributes AS a
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date} AND attribute = 'languages'
GROUP BY value
ORDER BY visitors DESC
