-- How long do visits last, in seconds?
SELECT duration AS seconds_at_least, sum(v.visits) AS visits
FROM visits AS v
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
GROUP BY seconds_at_least
ORDER BY toUInt32OrNull(seconds_at_least) NULLS LAST
