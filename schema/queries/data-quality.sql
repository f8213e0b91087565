-- How reliable are the numbers: which windows are incomplete, late or mostly folded?
SELECT window_start, window_end, published_at, complete, events, late, round(100 * folded_share) AS folded_percent
FROM publications
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
ORDER BY window_start
