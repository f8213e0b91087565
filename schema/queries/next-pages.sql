-- How do people get from page to page: what do they open from where, and what share goes that way?
SELECT from_path, to_path, sum(visits) AS visits, round(100 * visits / sum(visits) OVER (PARTITION BY from_path), 1) AS percent
FROM transitions
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY from_path, to_path
ORDER BY visits DESC
LIMIT 100
