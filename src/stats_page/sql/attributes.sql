-- Which values does an attribute of devices or connections have?
SELECT value, sum(a.visitors) AS visitors, sum(a.devices) AS devices
FROM attributes AS a
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND attribute = {item:String}
GROUP BY value
ORDER BY visitors DESC
LIMIT 1000
