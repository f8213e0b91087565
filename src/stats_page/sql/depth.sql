-- How many pages do visits have?
SELECT pages AS pages_of_visit, sum(v.visits) AS visits
FROM visits AS v
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY pages_of_visit
ORDER BY toUInt32OrNull(extract(pages_of_visit, '^[0-9]+')) NULLS LAST
