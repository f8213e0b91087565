-- From which pages do visits come to a page, and where do they go on to? Without a page: that with the most moves.
-- '(entry)' are visits that begin on the page, '(end)' those that end there.
WITH if({item:String} != '', {item:String},
        (SELECT argMax(path, moves) FROM
        (SELECT from_path AS path, sum(visits) AS moves FROM transitions
         WHERE site = {site:String}
           AND window_start >= toDateTime({from:Date}, {zone:String})
           AND window_start < toDateTime({to:Date}, {zone:String})
           AND carried_to < {to:Date}
           AND from_path != '(other)'
         GROUP BY path))) AS chosen
SELECT chosen AS page, if(to_path = chosen, 'in', 'out') AS way, if(way = 'in', from_path, to_path) AS path, sum(visits) AS visits
FROM transitions
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
  AND (from_path = chosen OR to_path = chosen)
GROUP BY way, path
ORDER BY visits DESC
LIMIT 1000
UNION ALL
SELECT chosen AS page, ends.1 AS way, ends.2 AS path, sum(ends.3) AS visits
FROM pages
ARRAY JOIN [('in', '(entry)', entries), ('out', '(end)', last_pages)] AS ends
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
  AND carried_to < {to:Date}
  AND pages.path = chosen
GROUP BY way, path
