-- On which pages do visits begin, and on which do they end?
SELECT section, path, sum(entries) AS begun_here, sum(last_pages) AS ended_here
FROM pages
WHERE site = {site:String}
  AND day >= {from:Date} AND carried_to < {to:Date}
GROUP BY section, path
ORDER BY begun_here DESC
LIMIT 50
