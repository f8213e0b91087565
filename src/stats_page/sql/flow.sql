-- From which page to which do visits go?
SELECT from_path, to_path, sum(visits) AS visits
FROM transitions
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
GROUP BY from_path, to_path
ORDER BY visits DESC
LIMIT 1000
