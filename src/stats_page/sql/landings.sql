-- On which pages do visits begin, from where, and how many reach the chosen goal?
SELECT path, channel, source, sum(visits) AS visits, sum(bounces) AS bounces, sum(goals[{item:String}]) AS converted
FROM landings
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY path, channel, source
ORDER BY visits DESC
LIMIT 1000
