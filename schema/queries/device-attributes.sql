-- Which values do the attributes of devices and connections have: providers, time zones, languages, screens?
-- `devices` is of how many visitors the attribute is known, so `percent` is the share of devices also of lists (languages, fonts,
-- plugins), where a device has several values. `error` is the 95 % error by noise of `percent`, in points.
WITH (SELECT avg(sigma * sigma) FROM publications WHERE site = {site:String} AND day >= {from:Date} AND day < {to:Date}) AS noise
SELECT attribute, value, sum(a.visitors) AS visitors, sum(a.devices) AS devices, round(100 * visitors / devices, 1) AS percent,
       round(2 * 196 * sqrt(noise * count()) * sqrt(1 + pow(percent / 100, 2)) / devices, 1) AS error
FROM attributes AS a
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY attribute, value
ORDER BY attribute, visitors DESC
