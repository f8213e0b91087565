-- What do devices and connections tell: providers, time zones, languages, screens, each by itself?
-- Visitors of lists (languages, fonts, plugins) are under each of their values, so shares are of the attribute's mentions.
SELECT attribute, value, sum(visitors) AS visitors, round(100 * visitors / sum(visitors) OVER (PARTITION BY attribute), 1) AS percent
FROM attributes
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY attribute, value
ORDER BY attribute, visitors DESC
LIMIT 20 BY attribute
