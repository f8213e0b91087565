-- How reliable are the windows: incomplete, late, folded, and how wide is their noise?
SELECT day, window_start, window_end, published_at, complete, late, sigma, round(100 * folded_share) AS folded_percent
FROM publications
WHERE site = {site:String}
  AND window_start >= toDateTime({from:Date}, {zone:String})
  AND window_start < toDateTime({to:Date}, {zone:String})
ORDER BY window_start DESC
LIMIT 100
