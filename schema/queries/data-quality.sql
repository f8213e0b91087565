-- How reliable are the numbers: which windows are incomplete, late, mostly folded or cut off, and how wide is their noise?
SELECT window_start, window_end, published_at, complete, events, late, sigma, round(100 * folded_share) AS folded_percent,
       round(100 * cut_share['views']) AS cut_percent
FROM publications
WHERE site = {site:String}
  AND day >= {from:Date} AND day < {to:Date}
ORDER BY window_start
