-- Which values do the attributes of devices and connections have: providers, time zones, languages, screens?
-- A visitor has several values of a list (languages, fonts, plugins), so shares are of all mentions of the attribute.
SELECT attribute, value, sum(visitors) AS visitors, round(100 * visitors / sum(visitors) OVER (PARTITION BY attribute), 1) AS percent
FROM attributes
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
GROUP BY attribute, value
ORDER BY attribute, visitors DESC
LIMIT 20 BY attribute
