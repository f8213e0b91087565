-- From which pages do visits come to one page, and where do they go on to?
SELECT if(to_path = {item:String}, 'in', 'out') AS way, if(way = 'in', from_path, to_path) AS path, sum(visits) AS visits
FROM transitions
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
  AND (from_path = {item:String} OR to_path = {item:String})
GROUP BY way, path
ORDER BY way, visits DESC
LIMIT 100
