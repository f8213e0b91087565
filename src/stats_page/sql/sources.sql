-- From which sites and campaigns do visits come, and how many reach the chosen goal?
SELECT channel, source, sum(visits) AS visits, sum(visitors) AS visitors, sum(bounces) AS bounces, sum(goals[{item:String}]) AS converted
FROM entries
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY channel, source
ORDER BY visits DESC
LIMIT 1000
