-- How do visits begin, and how many reach the chosen goal?
SELECT channel, sum(visits) AS visits, sum(visitors) AS visitors, sum(bounces) AS bounces, sum(goals[{item:String}]) AS converted
FROM entries
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY channel
ORDER BY visits DESC
LIMIT 50
